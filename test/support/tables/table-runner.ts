import type { JsonObject } from "./expect-row.ts";

/** How the rows of one kind of table are run; a module `test/support/tables/<kind>.ts` exports one as `tableRunner`. */
export interface TableRunner {
  /** @returns `undefined`: passed; else what was expected and what came, in one line. A throw is a failure too. */
  run(row: JsonObject): Promise<string | undefined>;
  /** Ends what the rows started (servers, directories); called once, after the last row. */
  close?(): Promise<void>;
}
