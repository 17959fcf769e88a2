import type { Command } from "../command.ts";
import { completionScript } from "../completion.ts";

export const completionCommand: Command = {
  name: "completion",
  aliases: [],
  summary: "Print a script for completion in the shell",
  description: [
    "Prints a completion script for the shell in $SHELL: bash, zsh or fish. Bash and zsh users append it to their ~/.bashrc or ~/.zshrc.",
  ],
  positionals: [],
  options: [],
  examples: [{ command: "tl completion >> ~/.bashrc", describe: "then open a new shell" }],
  run: async (_args, { out }) => {
    out.write(completionScript());
  },
};
