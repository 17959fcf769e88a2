import {
  writeStreamedLayout,
  type StreamedLayer,
} from "../../test/support/ext4/streamed-layout.ts";
import { fileChunks } from "../images/file-chunks.ts";

/** An image of a series in which one of the two numbers grows. */
export interface ScalePoint {
  readonly series: "entries" | "layers";
  readonly entries: number;
  readonly layers: number;
}

/** @throws Error when a number is not one */
export function scalePoints(options: {
  readonly entries: string;
  readonly layers: string;
  readonly layerEntries: string;
}): readonly ScalePoint[] {
  const inLayers = wholeNumber(options.layerEntries);
  return [
    ...numbers(options.entries).map((entries): ScalePoint => ({
      series: "entries",
      entries,
      layers: 1,
    })),
    ...numbers(options.layers).map((layers): ScalePoint => ({
      series: "layers",
      entries: inLayers,
      layers,
    })),
  ];
}

function numbers(text: string): readonly number[] {
  return text === "" ? [] : text.split(",").map(wholeNumber);
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`"${text}" is not a number`);
  return number;
}

/** Writes the image as an OCI layout, tag `case`, an archive at a time: no size of it needs memory. */
export async function makeScaleImage(
  { entries, layers }: ScalePoint,
  bodyBytes: number,
  path: string,
): Promise<void> {
  const parts = Array.from({ length: layers }, (_, at): StreamedLayer => {
    const first = Math.floor((entries * at) / layers);
    const files = Math.floor((entries * (at + 1)) / layers) - first;
    return { compression: "gzip", chunks: fileChunks({ files, first, bodyBytes }) };
  });
  await writeStreamedLayout(path, parts);
}
