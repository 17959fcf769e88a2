import { execFileSync } from "node:child_process";
import { COMMAND } from "../contestants.ts";
import type { Runnable } from "../measure/measure-contestant.ts";

/** A way to pull one image. */
export interface Configuration extends Runnable {
  readonly name: string;
}

/**
 * @param given `NAME: [VARIABLE=value…] [--option…]`, each a configuration of ours; none: what the command offers
 */
export function configurations(
  reference: string,
  given: readonly string[],
): readonly Configuration[] {
  const texts = given.length > 0 ? given : offered();
  return [
    ...texts.map((text) => ours(reference, text)),
    {
      name: "skopeo copy, unpacks nothing",
      script: `skopeo copy -q --src-tls-verify=false docker://${reference} oci:$W/oci:i`,
    },
  ];
}

/** One connection a layer comes first: it is what the others are compared with. */
function offered(): readonly string[] {
  const [program = "", ...args] = COMMAND.split(" ");
  const help = execFileSync(program, [...args, "sbx", "image", "import", "--help"], {
    encoding: "utf8",
  });
  if (!help.includes("--no-ranges")) return ["rootlift:"];
  return ["rootlift, one connection a layer: --no-ranges", "rootlift, ranges:"];
}

function ours(reference: string, text: string): Configuration {
  const colon = text.indexOf(":");
  if (colon < 1) throw new Error(`--config "NAME: …" takes a name and a colon, not "${text}"`);
  const name = text.slice(0, colon);
  const words = text
    .slice(colon + 1)
    .split(" ")
    .filter((word) => word !== "");
  const firstOption = words.findIndex((word) => word.startsWith("-"));
  const variables = firstOption < 0 ? words : words.slice(0, firstOption);
  const options = firstOption < 0 ? [] : words.slice(firstOption);
  const command = `${COMMAND} sbx image import ${reference} --quiet`;
  return { name, script: ["ROOTLIFT_HOME=$W/home", ...variables, command, ...options].join(" ") };
}
