/** One row of a table file, ready to run. */
export interface TableRow {
  /** Says which row it is, in one line: the row's input or its `name`. */
  readonly name: string;
  /** @returns `undefined`: passed; else what was expected and what came, in one line. A throw is a failure too. */
  run(): Promise<string | undefined>;
}

/** How the rows of one kind of table are run; a module `test/support/tables/<kind>.ts` exports one as `tableRunner`. */
export interface TableRunner {
  /** @throws Error when the document is no table of this kind */
  rows(document: unknown): readonly TableRow[];
  /** Ends what the rows started (servers, directories); called once, after the last row. */
  close?(): Promise<void>;
}
