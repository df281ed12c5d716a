/**
 * Expression parser: what has a value, with the names in it resolved.
 *
 * Invariant: Lua 5.1 writes the code of a variable or field when it learns what becomes of it, and that code has the line of
 * the token read last. So an expression is settled, given its line, where Lua would have written it.
 */
import { Lexer, NAME, NUMBER, show, STRING, type Token } from "./lexer.ts";
import { joined } from "./joining.ts";
import { operandsOf } from "./nesting.ts";
import { FunctionScope } from "./scopes.ts";
import type {
  Block,
  Call,
  Expression,
  FunctionDefinition,
  FunctionExpression,
  Index,
  MethodCall,
  TableConstructor,
  Target,
  Variable,
} from "./syntax.ts";

const MOST_LEVELS = 200;
/** Chains have no limit in Lua; here they are as deep as JavaScript's stack has to be to run them. */
const MOST_LINKS = 400;
const UNARY_PRIORITY = 8;

/** How strongly an operator binds to its left and to its right. */
const PRIORITIES = new Map<Token, readonly [number, number]>([
  ["+", [6, 6]],
  ["-", [6, 6]],
  ["*", [7, 7]],
  ["/", [7, 7]],
  ["%", [7, 7]],
  ["^", [10, 9]],
  ["..", [5, 4]],
  ["~=", [3, 3]],
  ["==", [3, 3]],
  ["<", [3, 3]],
  ["<=", [3, 3]],
  [">", [3, 3]],
  [">=", [3, 3]],
  ["and", [2, 2]],
  ["or", [1, 1]],
]);

const CONSTANTS = new Set<Expression["kind"]>(["nil", "true", "false", "number", "string"]);

export abstract class ExpressionParser {
  protected readonly lexer: Lexer;
  protected scope: FunctionScope;
  #levels: number;
  readonly #depths = new WeakMap<Expression, number>();

  constructor(source: string, chunkName: string, levels: number) {
    this.lexer = new Lexer(source, chunkName);
    this.scope = new FunctionScope(null, 0, (message) => this.lexer.faultAt(message));
    this.#levels = levels;
  }

  protected abstract block(): Block;

  /** Notes how deep the tree is below a node that no level of the syntax stands for: one of a chain such as `a.b.c` or `a + b + c`. */
  #chained<T extends Expression>(node: T): T {
    const depth =
      1 + Math.max(...operandsOf(node).map((operand) => this.#depths.get(operand) ?? 0));
    if (depth > MOST_LINKS) throw this.lexer.faultAt("chunk has too many syntax levels");
    this.#depths.set(node, depth);
    return node;
  }

  protected deeper(): void {
    this.#levels++;
    if (this.#levels > MOST_LEVELS) throw this.lexer.faultAt("chunk has too many syntax levels");
  }

  protected shallower(): void {
    this.#levels--;
  }

  /** Each target of an assignment is a level of the parser too. */
  protected limitTargets(count: number): void {
    const most = MOST_LEVELS - this.#levels;
    if (count > most) throw this.scope.tooMany(most, "variables in assignment");
  }

  protected accept(token: Token): boolean {
    if (this.lexer.token !== token) return false;
    this.lexer.next();
    return true;
  }

  protected check(token: Token): void {
    if (this.lexer.token !== token) throw this.lexer.fault(`'${show(token)}' expected`);
  }

  protected expect(token: Token): void {
    this.check(token);
    this.lexer.next();
  }

  /** Expects what closes `opener`, which stands on that line. */
  protected close(token: Token, opener: Token, line: number): void {
    if (this.accept(token)) return;
    const place = line === this.lexer.line ? "" : ` (to close '${opener}' at line ${line})`;
    throw this.lexer.fault(`'${token}' expected${place}`);
  }

  protected name(): string {
    this.check(NAME);
    const name = this.lexer.text;
    this.lexer.next();
    return name;
  }

  /** One expression, settled after its last token. */
  protected settled(): Expression {
    return settle(this.expression(), this.lexer.lastLine);
  }

  /** At least one; the last is not settled yet. */
  protected list(): Expression[] {
    const values = [this.expression()];
    while (this.accept(",")) {
      settle(values.at(-1), this.lexer.lastLine);
      values.push(this.expression());
    }
    return values;
  }

  protected variable(): Target {
    const name = this.name();
    const variable = this.scope.local(name);
    if (variable !== undefined) return { kind: "local", variable };
    const index = this.scope.upvalue(name);
    return index < 0 ? { kind: "global", name, line: 0 } : { kind: "upvalue", index, name };
  }

  /** `.name` or `:name` of an object. */
  protected field(object: Expression): Index {
    const { lexer } = this;
    settle(object, lexer.lastLine);
    lexer.next();
    return { kind: "index", object, key: { kind: "string", value: this.name() }, line: 0 };
  }

  protected primary(): Expression {
    const { lexer } = this;
    let expression = this.#prefix();
    for (;;) {
      switch (lexer.token) {
        case ".":
          expression = this.field(expression);
          break;
        case "[": {
          settle(expression, lexer.lastLine);
          expression = { kind: "index", object: expression, key: this.#bracketed(), line: 0 };
          break;
        }
        case ":": {
          lexer.next();
          const name = this.name();
          const nameLine = lexer.lastLine;
          settle(expression, nameLine);
          const args: Expression[] = [];
          expression = this.#call({
            kind: "method",
            object: expression,
            name,
            args,
            nameLine,
            line: 0,
          });
          break;
        }
        case "(":
        case "{":
        case STRING:
          settle(expression, lexer.lastLine);
          expression = this.#call({ kind: "call", callee: expression, args: [], line: 0 });
          break;
        default:
          return expression;
      }
      this.#chained(expression);
    }
  }

  /** From the parameters to `end`. */
  protected functionBody(method: boolean, line: number): FunctionExpression {
    const definition = this.inFunction(line, () => {
      const { scope } = this;
      this.expect("(");
      const parameters: Variable[] = [];
      if (method) parameters.push(scope.declare("self"));
      const arg = this.#parameters(parameters);
      scope.show(...parameters);
      if (arg !== null) scope.show(arg);
      this.expect(")");
      const body = this.block();
      this.close("end", "function", line);
      return { parameters, arg: scope.saysVarargs ? null : arg, body };
    });
    return { kind: "function", definition };
  }

  protected inFunction(
    line: number,
    read: () => Pick<FunctionDefinition, "parameters" | "arg" | "body">,
  ): FunctionDefinition {
    const outer = this.scope;
    const scope = new FunctionScope(outer, line, (message) => this.lexer.faultAt(message));
    this.scope = scope;
    const parts = read();
    this.scope = outer;
    const { varargs, captures, frameSize } = scope;
    return { ...parts, varargs, captures, frameSize, line };
  }

  #parameters(parameters: Variable[]): Variable | null {
    if (this.lexer.token === ")") return null;
    do {
      if (this.accept("...")) {
        this.scope.varargs = true;
        return this.scope.declare("arg");
      }
      if (this.lexer.token !== NAME) throw this.lexer.fault("<name> or '...' expected");
      parameters.push(this.scope.declare(this.name()));
    } while (this.accept(","));
    return null;
  }

  #prefix(): Expression {
    const { lexer } = this;
    if (lexer.token === NAME) return this.variable();
    if (lexer.token !== "(") throw lexer.fault("unexpected symbol");
    const line = lexer.line;
    lexer.next();
    const inner = this.expression();
    this.close(")", "(", line);
    // A constant is one with parentheses too, and can be computed with.
    if (CONSTANTS.has(inner.kind)) return inner;
    return this.#chained({ kind: "parentheses", inner: settle(inner, lexer.lastLine) });
  }

  #bracketed(): Expression {
    this.lexer.next();
    const key = this.settled();
    this.expect("]");
    return key;
  }

  #call<T extends Call | MethodCall>(call: T): T {
    const { lexer } = this;
    call.line = lexer.line;
    switch (lexer.token) {
      case "(":
        if (lexer.line !== lexer.lastLine) {
          throw lexer.fault("ambiguous syntax (function call x new statement)");
        }
        lexer.next();
        if (this.accept(")")) return call;
        call.args = this.list();
        this.close(")", "(", call.line);
        settle(call.args.at(-1), lexer.lastLine);
        return call;
      case "{":
        call.args = [this.#table()];
        return call;
      case STRING:
        call.args = [{ kind: "string", value: lexer.text }];
        lexer.next();
        return call;
      default:
        throw lexer.fault("function arguments expected");
    }
  }

  #simple(): Expression {
    const { lexer, scope } = this;
    let expression: Expression;
    switch (lexer.token) {
      case NUMBER:
        expression = { kind: "number", value: lexer.number };
        break;
      case STRING:
        expression = { kind: "string", value: lexer.text };
        break;
      case "nil":
      case "true":
      case "false":
        expression = { kind: lexer.token };
        break;
      case "...":
        if (!scope.varargs) throw lexer.fault("cannot use '...' outside a vararg function");
        scope.saysVarargs = true;
        expression = { kind: "varargs" };
        break;
      case "{":
        return this.#table();
      case "function":
        lexer.next();
        return this.functionBody(false, lexer.line);
      default:
        return this.primary();
    }
    lexer.next();
    return expression;
  }

  #table(): TableConstructor {
    const { lexer } = this;
    const line = lexer.line;
    const table: TableConstructor = { kind: "table", items: [], elements: 0, fields: 0 };
    this.expect("{");
    do {
      if (lexer.token === "}") break;
      // An element is stored when it is known that another item follows.
      settle(pending(table), lexer.lastLine);
      if (lexer.token === "[" || (lexer.token === NAME && lexer.peek() === "=")) {
        this.#record(table);
      } else {
        table.items.push({ key: null, value: this.expression(), line: 0 });
        table.elements++;
      }
    } while (this.accept(",") || this.accept(";"));
    this.close("}", "{", line);
    settle(pending(table), lexer.lastLine);
    return this.#chained(table);
  }

  #record(table: TableConstructor): void {
    const key: Expression =
      this.lexer.token === "[" ? this.#bracketed() : { kind: "string", value: this.name() };
    table.fields++;
    this.expect("=");
    const value = this.settled();
    table.items.push({ key, value, line: this.lexer.lastLine });
  }

  protected expression(limit = 0): Expression {
    const { lexer } = this;
    this.deeper();
    let left = this.#unary();
    for (;;) {
      const operator = lexer.token;
      const priority = PRIORITIES.get(operator);
      if (priority === undefined || priority[0] <= limit) break;
      lexer.next();
      settle(left, lexer.lastLine);
      const right = settle(this.expression(priority[1]), lexer.lastLine);
      left = this.#chained(joined(operator, left, right, lexer.lastLine));
    }
    this.shallower();
    return left;
  }

  #unary(): Expression {
    const { lexer } = this;
    const operator = lexer.token;
    if (operator !== "not" && operator !== "-" && operator !== "#") return this.#simple();
    lexer.next();
    const operand = settle(this.expression(UNARY_PRIORITY), lexer.lastLine);
    if (operator === "not") return this.#chained({ kind: "not", operand });
    if (operator === "#") return this.#chained({ kind: "length", operand, line: lexer.lastLine });
    return operand.kind === "number"
      ? { kind: "number", value: -operand.value }
      : this.#chained({ kind: "negate", operand, line: lexer.lastLine });
  }
}

/** Gives it the line, unless it has one or needs none. */
export function settle<T extends Expression | undefined>(expression: T, line: number): T {
  if ((expression?.kind === "global" || expression?.kind === "index") && expression.line === 0) {
    expression.line = line;
  }
  return expression;
}

function pending(table: TableConstructor): Expression | undefined {
  const last = table.items.at(-1);
  return last?.key === null ? last.value : undefined;
}
