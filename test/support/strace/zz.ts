import { loadCases } from "../case-kit/case-json.ts";
import { runCase } from "../case-kit/run-case.ts";
import { importInProcess } from "../case-kit/import-case.ts";
let ok = 0;
for (const f of process.argv.slice(3)) for (const c of loadCases(f)) {
  if (process.env.ONLY && !new RegExp(process.env.ONLY).test(c.name)) continue;
  try {
  const p = await runCase(c, process.argv[2] as any, importInProcess);
  if (p.length) console.log("FAIL", c.name, p.join("; ")); else ok++;
  } catch (e) { console.log("ERROR", c.name, e); }
}
console.log(ok, "ok");
