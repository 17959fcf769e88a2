import type { ImportEvent, OnEvent } from "../index.ts";
import { openLiveView } from "./live-view.ts";
import { fieldsOf, levelOf, writeLog } from "./json-log.ts";
import type { OutputStream } from "./output-stream.ts";
import { eventSentence, paceSentence, type LinePace } from "./progress-lines.ts";
import {
  applyEvent,
  currentRate,
  initialProgress,
  takeSample,
  type ProgressState,
} from "./progress-state.ts";
import { formatDuration } from "./quantities.ts";
import { statusLine, warningLine } from "./status-line.ts";

export interface ProgressReporter {
  readonly onEvent: OnEvent;
  /** Ends drawing and leaves the cursor on an empty line. Safe to call twice. */
  readonly finish: () => void;
}

export interface ReporterOptions {
  /** Warnings only. */
  readonly quiet: boolean;
  /** Lines for every request and every step of every layer, no live view. */
  readonly verbose: boolean;
  /** Lines are JSON objects, and there is no live view. */
  readonly json?: boolean;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/** Draws an import on stderr: a live view where the cursor can be moved, otherwise lines. */
export function reportProgress(stream: OutputStream, options: ReporterOptions): ProgressReporter {
  const now = options.now ?? ((): number => performance.now());
  if (options.json === true) return jsonReporter(stream, options, now);
  if (options.quiet) return quietReporter(stream);
  return stream.canRedraw && !options.verbose
    ? liveReporter(stream, now)
    : lineReporter(stream, options.verbose, now);
}

function quietReporter(stream: OutputStream): ProgressReporter {
  return {
    onEvent: (event) => {
      if (event.type === "warning") {
        stream.write(`${warningLine(event.message, stream.unicode)}\n`);
      }
    },
    finish: () => {},
  };
}

function jsonReporter(
  stream: OutputStream,
  { quiet, verbose }: ReporterOptions,
  now: () => number,
): ProgressReporter {
  return logReporter(now, {
    onPace: (message, { state, nowMs }) => {
      if (quiet) return;
      const { phase, receivedBytes, totalBytes } = state;
      const bytesPerSecond = rounded(currentRate(state, nowMs));
      const fields = { phase, receivedBytes, totalBytes, bytesPerSecond };
      writeLog(stream, { level: "info", event: "progress", message, fields });
    },
    onEvent: (event, { state, nowMs, isNews }) => {
      const level = levelOf(event);
      const wanted =
        event.type === "timings" || level === "warn" || (!quiet && (level === "info" || verbose));
      if (!isNews || !wanted) return;
      const message = eventSentence(event, state, nowMs, true) ?? logSentence(event);
      writeLog(stream, { level, event: event.type, message, fields: fieldsOf(event) });
    },
  });
}

function rounded(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.round(value);
}

/** Of events that lines of text have no sentence for. */
function logSentence(event: ImportEvent): string {
  if (event.type === "warning") return event.message;
  if (event.type === "phase") return `Phase: ${event.phase}`;
  if (event.type === "timings") return `Took ${formatDuration(event.timings.durationMs)}`;
  if (event.type === "image_registered") return `Image '${event.name}' registered`;
  return event.type === "done" ? "Done" : event.type;
}

function lineReporter(stream: OutputStream, verbose: boolean, now: () => number): ProgressReporter {
  const say = (sentence: string | undefined): void => {
    if (sentence !== undefined) stream.write(`${statusLine(sentence, stream.unicode)}\n`);
  };
  return logReporter(now, {
    onPace: say,
    onEvent: (event, { state, nowMs, isNews }) => {
      if (event.type === "warning") {
        stream.write(`${warningLine(event.message, stream.unicode)}\n`);
      } else if (isNews) say(eventSentence(event, state, nowMs, verbose));
    },
  });
}

interface LogMoment {
  readonly state: ProgressState;
  readonly nowMs: number;
}

/** Lines of either form: what happens, and now and then how far a long pull is. */
function logReporter(
  now: () => number,
  lines: {
    readonly onPace: (sentence: string, moment: LogMoment) => void;
    readonly onEvent: (
      event: ImportEvent,
      moment: LogMoment & { readonly isNews: boolean },
    ) => void;
  },
): ProgressReporter {
  const state = initialProgress(now());
  const pace: LinePace = { atMs: state.startedMs, tenth: 0 };
  const layerNewsIn = layerNews(state);
  const timer = setInterval(() => {
    const nowMs = now();
    takeSample(state, nowMs);
    const sentence = paceSentence(state, pace, nowMs);
    if (sentence !== undefined) lines.onPace(sentence, { state, nowMs });
  }, 500);
  timer.unref();
  return {
    onEvent: (event) => {
      const isNews = layerNewsIn(event);
      const nowMs = now();
      applyEvent(state, event, nowMs);
      lines.onEvent(event, { state, nowMs, isNews });
    },
    finish: () => clearInterval(timer),
  };
}

function liveReporter(stream: OutputStream, now: () => number): ProgressReporter {
  const state = initialProgress(now());
  const view = openLiveView(stream, () => state, now);
  return {
    onEvent: (event) => {
      applyEvent(state, event, now());
      if (event.type === "layer_progress") return;
      if (event.type === "warning") {
        view.printAbove(warningLine(event.message, stream.unicode));
        return;
      }
      const sentence = eventSentence(event, state, now(), false);
      if (sentence !== undefined) view.printAbove(statusLine(sentence, stream.unicode));
      if (event.type === "done") view.close();
    },
    finish: () => view.close(),
  };
}

/** Layers tell ten times a second how far they are; a log wants to know when that begins and when it ends. */
function layerNews(state: ProgressState): (event: ImportEvent) => boolean {
  return (event) =>
    event.type !== "layer_progress" || state.layers[event.layer]?.state !== event.state;
}
