/**
 * Table: every family of commands, listed in one place.
 *
 * Invariant: what is not listed here is an unknown command.
 */
import { CommandTable } from "./command-table.ts";
import { transactionCommands } from "./transactions.ts";

export const commandTable: CommandTable = new CommandTable([transactionCommands]);
