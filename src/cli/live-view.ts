import { displayWidth } from "./display-width.ts";
import type { OutputStream } from "./output-stream.ts";
import { progressFrame } from "./progress-frame.ts";
import { takeSample, type ProgressState } from "./progress-state.ts";

const REDRAW_MS = 100;
const CLEAR_TO_LINE_END = "\u001B[K";
const CLEAR_TO_SCREEN_END = "\u001B[J";

export interface LiveView {
  /** A line that stays, above the part that is redrawn. */
  readonly printAbove: (line: string) => void;
  /** Removes the view. Safe to call twice. */
  readonly close: () => void;
}

/**
 * Redraws the progress in place, at most ten times a second. Every line ends with a line feed, so the cursor always stands
 * below the view in the first column: whatever else is printed, or if the process dies, the terminal is in order.
 */
export function openLiveView(
  stream: OutputStream,
  state: () => ProgressState,
  now: () => number,
): LiveView {
  let drawn: readonly string[] = [];
  let open = true;

  const draw = (above: string): void => {
    takeSample(state(), now());
    const lines = progressFrame(state(), now(), {
      columns: stream.columns(),
      rows: stream.rows(),
      unicode: stream.unicode,
    });
    if (
      above === "" &&
      lines.length === drawn.length &&
      lines.every((line, i) => line === drawn[i])
    ) {
      return;
    }
    stream.write(cursorUp(drawn, stream.columns()) + above + repaint(lines));
    drawn = lines;
  };

  const timer = setInterval(() => draw(""), REDRAW_MS);
  timer.unref();
  // A stopped and continued process finds a prompt where its view was: the next one goes below.
  const onContinue = (): void => {
    drawn = [];
  };
  process.on("SIGCONT", onContinue);
  // The old lines wrap at the new width: cursorUp counts them so, and what is below goes.
  const stopWatching = stream.onResize(() => draw(""));
  return {
    printAbove: (line) => {
      const text = `${line}${CLEAR_TO_LINE_END}\n`;
      if (open) draw(text);
      else stream.write(`${line}\n`);
    },
    close: () => {
      if (!open) return;
      open = false;
      clearInterval(timer);
      process.off("SIGCONT", onContinue);
      stopWatching();
      if (drawn.length > 0) stream.write(cursorUp(drawn, stream.columns()) + CLEAR_TO_SCREEN_END);
    },
  };
}

/** Back to the first line of the view, which may have wrapped if the terminal became narrower since. */
function cursorUp(lines: readonly string[], columns: number): string {
  const rows = lines.reduce(
    (sum, line) => sum + Math.max(1, Math.ceil(displayWidth(line) / columns)),
    0,
  );
  return rows === 0 ? "" : `\u001B[${rows}A\r`;
}

function repaint(lines: readonly string[]): string {
  return lines.map((line) => `${line}${CLEAR_TO_LINE_END}\n`).join("") + CLEAR_TO_SCREEN_END;
}
