/**
 * `node test/support/run-tables.ts FILE…`: runs table files, ours or a stranger's. One line a failure, last
 * `N passed, N failed`; exit status 1 when any failed.
 */
import { runTableFile } from "./run-table-file.ts";

let passed = 0;
let failed = 0;
for (const file of process.argv.slice(2)) {
  const result = await runTableFile(file);
  passed += result.passed;
  failed += result.failures.length;
  for (const failure of result.failures) process.stdout.write(`${file}: ${failure}\n`);
}
if (process.argv.length < 3) {
  process.stderr.write("usage: npm run -s tables -- FILE…\n");
  failed += 1;
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
