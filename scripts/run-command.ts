import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

/** Runs a command with its stderr shown as it comes. @returns its stdout @throws Error when it does not exit with 0 */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<number | null>((settle, reject) => {
    child.on("error", reject);
    child.on("close", settle);
  });
  const [stdout, exitCode] = await Promise.all([text(child.stdout), ended]);
  if (exitCode === 0) return stdout;
  throw new Error(`${program} ${args.join(" ")} ended with exit code ${exitCode}`);
}
