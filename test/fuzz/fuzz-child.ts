import type { ChildMessage, ChildTask } from "./child-messages.ts";
import { CoverageGuide } from "./coverage-guide.ts";
import { FuzzSession, type Execution } from "./fuzz-session.ts";
import { failureOf, type Failure } from "./judge.ts";
import { targetNamed } from "./options.ts";
import { RunningInput } from "./running-input.ts";

/** Runs one target until its time is over, watched by `watch-child.ts`. */
const REPORT_MS = 1000;

function send(message: ChildMessage): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, (error: Error | null) => (error === null ? resolve() : reject(error)));
  });
}

async function report(
  kind: string,
  task: ChildTask,
  failed: Execution & { failure: Failure },
): Promise<void> {
  const { failure, lineage, input } = failed;
  await send({
    kind: "finding",
    finding: {
      ...failure,
      kind,
      target: task.target,
      lineage: lineage.join("/"),
      input: Buffer.from(input).toString("base64"),
    },
  });
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function runTarget(task: ChildTask): Promise<void> {
  const target = targetNamed(task.target);
  const opened = await target.open();
  const guide = new CoverageGuide();
  const session = new FuzzSession(target, opened, { seed: task.seed, guide });
  const note = new RunningInput(task.notePath);
  let rejected: unknown;
  process.on("unhandledRejection", (reason) => {
    rejected = reason ?? new Error("rejected with nothing");
  });
  const end = performance.now() + task.seconds * 1000;
  let reported = performance.now();
  let [executions, accepted, slowestMs] = [0, 0, 0];
  for (let now = reported; now < end;) {
    const cpuBefore = cpuMs();
    const execution = session.execution(task.firstNumber + executions);
    note.note(execution);
    const verdict = await session.run(execution);
    executions++;
    if (verdict === "ok") accepted++;
    else if (typeof verdict !== "string") {
      await report("exception", task, { ...execution, failure: verdict });
    }
    // Processor time: others on the machine take it away, and machines are halted.
    slowestMs = Math.max(slowestMs, cpuMs() - cpuBefore);
    now = performance.now();
    if (now - reported < REPORT_MS) continue;
    reported = now;
    const rssMib = Math.round(process.memoryUsage.rss() / 2 ** 20);
    await send({
      kind: "progress",
      executions,
      accepted,
      corpus: session.corpus,
      slowestMs,
      rssMib,
    });
    // The loop above never waits for long: a rejection that nobody handles shows here, one of the last second's inputs did it.
    await new Promise((resolve) => setImmediate(resolve));
    if (rejected !== undefined) {
      await report("rejection", task, { ...execution, failure: failureOf(rejected) });
      rejected = undefined;
    }
    now = performance.now();
  }
  const rssMib = Math.round(process.memoryUsage.rss() / 2 ** 20);
  await send({ kind: "progress", executions, accepted, corpus: session.corpus, slowestMs, rssMib });
  guide.stop();
  note.close();
  opened.close?.();
  await send({ kind: "done" });
  process.disconnect();
}

const task: ChildTask = JSON.parse(process.argv[2] ?? "{}");
await runTarget(task);
