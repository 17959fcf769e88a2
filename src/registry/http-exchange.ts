import type { Dispatcher } from "undici";
import { ClockError, ResponseBody } from "./response-body.ts";
import type { StallLimits } from "./stall-clock.ts";
import { seconds } from "./stall-clock.ts";

export type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>;

export interface HttpAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: ResponseBody;
}

export interface ExchangeLimits extends StallLimits {
  readonly firstByteMs: number;
}

/** One header of an answer; lines of the same name joined as RFC 9110 section 5.3 has it. */
export function headerOf(headers: AnswerHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}

/**
 * One request and its answer over undici's `dispatch`. Resolves at the headers; the body follows at its reader's pace.
 *
 * @throws Error as undici or the socket gave it; `ClockError` when no answer came; the signal's reason
 */
export function exchange(
  dispatcher: Dispatcher,
  request: Dispatcher.DispatchOptions,
  limits: ExchangeLimits,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  return new Promise<HttpAnswer>((resolve, reject) => {
    signal.throwIfAborted();
    dispatcher.dispatch(
      { ...request, headersTimeout: 0, bodyTimeout: 0 },
      new ExchangeHandler(limits, signal, { resolve, reject }),
    );
  });
}

interface Settle {
  readonly resolve: (answer: HttpAnswer) => void;
  readonly reject: (error: unknown) => void;
}

class ExchangeHandler implements Dispatcher.DispatchHandler {
  readonly #body: ResponseBody;
  readonly #limits: ExchangeLimits;
  readonly #signal: AbortSignal;
  readonly #settle: Settle;
  readonly #onAbort: () => void;
  #controller: Dispatcher.DispatchController | undefined;
  #firstByteTimer: NodeJS.Timeout | undefined;
  #answered = false;

  constructor(limits: ExchangeLimits, signal: AbortSignal, settle: Settle) {
    this.#limits = limits;
    this.#signal = signal;
    this.#settle = settle;
    this.#body = new ResponseBody(limits);
    this.#onAbort = () => this.#abort(reasonOf(signal));
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#signal.aborted) {
      controller.abort(reasonOf(this.#signal));
      return;
    }
    this.#body.begin(controller, () => this.#release());
    const { firstByteMs } = this.#limits;
    this.#firstByteTimer = setTimeout(
      () => this.#abort(new ClockError(`no answer for ${seconds(firstByteMs)}`)),
      firstByteMs,
    );
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: AnswerHeaders,
  ): void {
    // 1xx (103 Early Hints of a CDN): the answer is still to come (CONN-5).
    if (status < 200) return;
    clearTimeout(this.#firstByteTimer);
    this.#answered = true;
    this.#settle.resolve({ status, headers, body: this.#body });
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#body.push(chunk);
  }

  onResponseEnd(): void {
    this.#body.end();
    this.#release();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(error);
  }

  #abort(error: Error): void {
    this.#fail(error);
    this.#controller?.abort(error);
  }

  #fail(error: Error): void {
    this.#release();
    if (this.#answered) this.#body.fail(error);
    else this.#settle.reject(error);
  }

  #release(): void {
    clearTimeout(this.#firstByteTimer);
    this.#signal.removeEventListener("abort", this.#onAbort);
  }
}

function reasonOf(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return reason instanceof Error ? reason : new Error("cancelled", { cause: reason });
}
