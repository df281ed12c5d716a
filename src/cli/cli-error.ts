/**
 * Cli error: how a command ends when it does not do what it was asked for.
 *
 * Invariant: exit codes mean the same everywhere: 0 done, 1 failed or found something, 2 usage or could not tell.
 */
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/** `message` says what, why and what to do; it goes to stderr as it is. */
export class CliError extends Error {
  override name = "CliError";
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT_FAILED, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** For words that cannot be understood. */
export function usage(message: string): CliError {
  return new CliError(message, EXIT_USAGE);
}
