/**
 * Nesting: how deep the JavaScript calls go while a function runs, without those of the functions that it calls.
 *
 * Invariant: never less than it is, since the room on JavaScript's stack is given out by it.
 */
import type { Block, Expression, FunctionDefinition, Statement } from "./syntax.ts";

/** Of a closure and a helper that it calls. */
const PER_NODE = 2;
/** Of the call itself, and of the operations that call back. */
const PER_FUNCTION = 6;

export function nestingOf(definition: FunctionDefinition): number {
  return PER_FUNCTION + ofBlock(definition.body);
}

function ofBlock(block: Block): number {
  return PER_NODE + most(block.map(ofStatement));
}

function ofStatement(statement: Statement): number {
  return PER_NODE + most(partsOf(statement));
}

/** Whether it calls something, other than from within another function or by an operator. */
export function callsIn(expression: Expression): boolean {
  return (
    expression.kind === "call" ||
    expression.kind === "method" ||
    operandsOf(expression).some(callsIn)
  );
}

export function callsInStatement(statement: Statement): boolean {
  switch (statement.kind) {
    case "local":
    case "return":
      return statement.values.some(callsIn);
    case "local function":
    case "break":
      return false;
    case "assign":
      return [...statement.targets, ...statement.values].some(callsIn);
    case "call statement":
      return true;
    case "do":
      return statement.body.some(callsInStatement);
    case "while":
    case "repeat":
      return callsIn(statement.condition) || statement.body.some(callsInStatement);
    case "if":
      return (
        statement.clauses.some(
          ({ condition, body }) => callsIn(condition) || body.some(callsInStatement),
        ) || (statement.otherwise ?? []).some(callsInStatement)
      );
    case "numeric for": {
      const { start, limit, step, body } = statement;
      const numbers = step === null ? [start, limit] : [start, limit, step];
      return numbers.some(callsIn) || body.some(callsInStatement);
    }
    case "generic for":
      return statement.values.some(callsIn) || statement.body.some(callsInStatement);
    default:
      return statement satisfies never;
  }
}

function partsOf(statement: Statement): number[] {
  switch (statement.kind) {
    case "local":
      return statement.values.map(ofExpression);
    case "local function":
    case "break":
      return [];
    case "assign":
      return [...statement.targets, ...statement.values].map(ofExpression);
    case "call statement":
      return [ofExpression(statement.call)];
    case "do":
      return [ofBlock(statement.body)];
    case "while":
    case "repeat":
      return [ofExpression(statement.condition), ofBlock(statement.body)];
    case "if":
      return [
        ...statement.clauses.flatMap(({ condition, body }) => [
          ofExpression(condition),
          ofBlock(body),
        ]),
        statement.otherwise === null ? 0 : ofBlock(statement.otherwise),
      ];
    case "numeric for": {
      const { start, limit, step, body } = statement;
      return [
        ofExpression(start),
        ofExpression(limit),
        step === null ? 0 : ofExpression(step),
        ofBlock(body),
      ];
    }
    case "generic for":
      return [...statement.values.map(ofExpression), ofBlock(statement.body)];
    case "return":
      return statement.values.map(ofExpression);
    default:
      return statement satisfies never;
  }
}

function ofExpression(expression: Expression): number {
  return PER_NODE + most(operandsOf(expression).map(ofExpression));
}

/** The expressions that are evaluated as parts of this one. */
export function operandsOf(expression: Expression): Expression[] {
  switch (expression.kind) {
    case "index":
      return [expression.object, expression.key];
    case "call":
      return [expression.callee, ...expression.args];
    case "method":
      return [expression.object, ...expression.args];
    case "table":
      return expression.items.flatMap(({ key, value }) => (key === null ? [value] : [key, value]));
    case "parentheses":
      return [expression.inner];
    case "not":
    case "negate":
    case "length":
      return [expression.operand];
    case "arithmetic":
    case "comparison":
    case "and":
    case "or":
      return [expression.left, expression.right];
    case "concat":
      return expression.operands;
    case "nil":
    case "true":
    case "false":
    case "varargs":
    case "number":
    case "string":
    case "local":
    case "upvalue":
    case "global":
    case "function":
    case "temporary":
      return [];
    default:
      return expression satisfies never;
  }
}

function most(numbers: number[]): number {
  return numbers.reduce((a, b) => Math.max(a, b), 0);
}
