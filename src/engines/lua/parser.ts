/**
 * Parser: the statements of a chunk. Expressions are read by `ExpressionParser`, which this extends.
 *
 * Invariant: faults are found in the order, at the token and with the words of Lua 5.1.
 */
import { ExpressionParser, settle } from "./expression-parser.ts";
import { END_OF_SOURCE } from "./lexer.ts";
import {
  type Block,
  type Expression,
  type FunctionDefinition,
  type FunctionExpression,
  type Statement,
  type Target,
  type Variable,
} from "./syntax.ts";

/**
 * The chunk as a function without parameters. Throws a LuaError. `levels` of the syntax are in use already, of the 200 that
 * may be.
 */
export function parse(source: string, chunkName: string, levels: number): FunctionDefinition {
  return new Parser(source, chunkName, levels).chunk();
}

class Parser extends ExpressionParser {
  chunk(): FunctionDefinition {
    const definition = this.inFunction(0, () => {
      this.scope.varargs = true;
      this.lexer.next();
      const body = this.block();
      this.check(END_OF_SOURCE);
      return { parameters: [], arg: null, body };
    });
    return definition;
  }

  protected override block(): Block {
    const { lexer } = this;
    const statements: Block = [];
    this.deeper();
    const mark = this.scope.enter();
    for (let last = false; !last && !this.#endsBlock();) {
      last = lexer.token === "return" || lexer.token === "break";
      statements.push(this.#statement());
      this.accept(";");
    }
    this.scope.leave(mark);
    this.shallower();
    return statements;
  }

  #endsBlock(): boolean {
    switch (this.lexer.token) {
      case "else":
      case "elseif":
      case "end":
      case "until":
      case END_OF_SOURCE:
        return true;
      default:
        return false;
    }
  }

  #statement(): Statement {
    const { lexer } = this;
    const line = lexer.line;
    switch (lexer.token) {
      case "if":
        return this.#if(line);
      case "while":
        return this.#while(line);
      case "do": {
        lexer.next();
        const body = this.block();
        this.close("end", "do", line);
        return { kind: "do", body };
      }
      case "for":
        return this.#for(line);
      case "repeat":
        return this.#repeat(line);
      case "function":
        return this.#function(line);
      case "local":
        lexer.next();
        return this.accept("function") ? this.#localFunction() : this.#local();
      case "return":
        return this.#return();
      case "break":
        lexer.next();
        if (this.scope.loops === 0) throw lexer.fault("no loop to break");
        return { kind: "break" };
      default:
        return this.#callOrAssignment();
    }
  }

  #if(line: number): Statement {
    const { lexer } = this;
    const clauses: { condition: Expression; body: Block }[] = [];
    do {
      lexer.next();
      const condition = this.settled();
      this.expect("then");
      clauses.push({ condition, body: this.block() });
    } while (lexer.token === "elseif");
    const otherwise = this.accept("else") ? this.block() : null;
    this.close("end", "if", line);
    return { kind: "if", clauses, otherwise };
  }

  #while(line: number): Statement {
    this.lexer.next();
    const condition = this.settled();
    this.expect("do");
    const body = this.#loopBody();
    this.close("end", "while", line);
    return { kind: "while", condition, body };
  }

  /** The condition sees the locals of the body, so both are one scope. */
  #repeat(line: number): Statement {
    const { lexer, scope } = this;
    lexer.next();
    const mark = scope.enter();
    scope.loops++;
    this.deeper();
    const body: Block = [];
    for (let last = false; !last && !this.#endsBlock();) {
      last = lexer.token === "return" || lexer.token === "break";
      body.push(this.#statement());
      this.accept(";");
    }
    this.shallower();
    this.close("until", "repeat", line);
    const condition = this.settled();
    scope.loops--;
    scope.leave(mark);
    return { kind: "repeat", body, condition };
  }

  #loopBody(): Block {
    this.scope.loops++;
    const body = this.block();
    this.scope.loops--;
    return body;
  }

  #for(line: number): Statement {
    const { lexer, scope } = this;
    const mark = scope.enter();
    lexer.next();
    const name = this.name();
    let statement: Statement;
    switch (lexer.token) {
      case "=":
        statement = this.#numericFor(name);
        break;
      case ",":
      case "in":
        statement = this.#genericFor(name);
        break;
      default:
        throw lexer.fault("'=' or 'in' expected");
    }
    this.close("end", "for", line);
    scope.leave(mark);
    return statement;
  }

  #numericFor(name: string): Statement {
    const { lexer, scope } = this;
    const hidden = [
      scope.declare("(for index)"),
      scope.declare("(for limit)"),
      scope.declare("(for step)"),
    ];
    const variable = scope.declare(name);
    this.expect("=");
    const start = this.settled();
    this.expect(",");
    const limit = this.settled();
    const step = this.accept(",") ? this.settled() : null;
    scope.show(...hidden);
    this.expect("do");
    // What prepares the loop, and may find that a limit is no number, stands after the word `do`.
    const line = lexer.lastLine;
    scope.show(variable);
    const body = this.#loopBody();
    return { kind: "numeric for", variable, start, limit, step, body, line };
  }

  #genericFor(name: string): Statement {
    const { lexer, scope } = this;
    const hidden = [
      scope.declare("(for generator)"),
      scope.declare("(for state)"),
      scope.declare("(for control)"),
    ] as const;
    const variables = [scope.declare(name)];
    while (this.accept(",")) variables.push(scope.declare(this.name()));
    this.expect("in");
    const line = lexer.line;
    const values = this.list();
    settle(values.at(-1), lexer.lastLine);
    scope.show(...hidden);
    this.expect("do");
    scope.show(...variables);
    const body = this.#loopBody();
    return { kind: "generic for", variables, stateSlot: hidden[1].slot, values, body, line };
  }

  #function(line: number): Statement {
    const { lexer } = this;
    lexer.next();
    let target: Target = this.variable();
    let method = false;
    while (lexer.token === "." || lexer.token === ":") {
      method = lexer.token === ":";
      target = this.field(target);
      if (method) break;
    }
    const value = this.functionBody(method, line);
    // The definition happens on its first line.
    settle(target, line);
    return { kind: "assign", targets: [target], values: [value] };
  }

  #localFunction(): Statement {
    const variable = this.scope.declare(this.name());
    this.scope.show(variable);
    const value: FunctionExpression = this.functionBody(false, this.lexer.line);
    return { kind: "local function", variable, value };
  }

  #local(): Statement {
    const variables: Variable[] = [];
    do {
      variables.push(this.scope.declare(this.name()));
    } while (this.accept(","));
    const values = this.accept("=") ? this.list() : [];
    settle(values.at(-1), this.lexer.lastLine);
    this.scope.show(...variables);
    return { kind: "local", variables, values };
  }

  #return(): Statement {
    const { lexer } = this;
    lexer.next();
    if (this.#endsBlock() || lexer.token === ";") return { kind: "return", values: [] };
    const values = this.list();
    settle(values.at(-1), lexer.lastLine);
    return { kind: "return", values };
  }

  #callOrAssignment(): Statement {
    const { lexer } = this;
    const first = this.primary();
    if (first.kind === "call" || first.kind === "method") {
      return { kind: "call statement", call: first };
    }
    const targets = [this.#target(first)];
    while (this.accept(",")) {
      const next = this.primary();
      this.limitTargets(targets.length);
      targets.push(this.#target(next));
    }
    this.expect("=");
    const values = this.list();
    settle(values.at(-1), lexer.lastLine);
    for (const target of targets) settle(target, lexer.lastLine);
    return { kind: "assign", targets, values };
  }

  #target(expression: Expression): Target {
    switch (expression.kind) {
      case "local":
      case "upvalue":
      case "global":
      case "index":
        return expression;
      default:
        throw this.lexer.fault("syntax error");
    }
  }
}
