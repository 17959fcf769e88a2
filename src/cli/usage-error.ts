/** The command line itself is wrong: exit status 2, before anything was done. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** The command whose help to read, e.g. `tl sbx image import`. */
  readonly commandLine: string;

  constructor(message: string, commandLine: string) {
    super(message);
    this.commandLine = commandLine;
  }
}
