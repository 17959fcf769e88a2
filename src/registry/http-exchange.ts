import type { Dispatcher } from "undici";
import type { ExchangeEnd } from "./request-log.ts";
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

/** Who wants to hear of one exchange, and who may end it. */
export interface ExchangeContext {
  readonly limits: ExchangeLimits;
  readonly signal: AbortSignal;
  /** Called once: when the body has ended, or broke, or no answer came. */
  readonly onEnd: (end: ExchangeEnd) => void;
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
  context: ExchangeContext,
): Promise<HttpAnswer> {
  return new Promise<HttpAnswer>((resolve, reject) => {
    context.signal.throwIfAborted();
    dispatcher.dispatch(
      { ...request, headersTimeout: 0, bodyTimeout: 0 },
      new ExchangeHandler(context, { resolve, reject }),
    );
  });
}

interface Settle {
  readonly resolve: (answer: HttpAnswer) => void;
  readonly reject: (error: unknown) => void;
}

class ExchangeHandler implements Dispatcher.DispatchHandler {
  readonly #body: ResponseBody;
  readonly #context: ExchangeContext;
  readonly #settle: Settle;
  readonly #onAbort: () => void;
  #controller: Dispatcher.DispatchController | undefined;
  #firstByteTimer: NodeJS.Timeout | undefined;
  #status: number | undefined;
  #ended = false;

  constructor(context: ExchangeContext, settle: Settle) {
    const { limits, signal } = context;
    this.#context = context;
    this.#settle = settle;
    this.#body = new ResponseBody(limits);
    this.#onAbort = () => this.#abort(reasonOf(signal));
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    const { signal, limits } = this.#context;
    if (signal.aborted) {
      controller.abort(reasonOf(signal));
      return;
    }
    this.#body.begin(controller, (error) => this.#end(error));
    const { firstByteMs } = limits;
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
    this.#status = status;
    this.#settle.resolve({ status, headers, body: this.#body });
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#body.push(chunk);
  }

  onResponseEnd(): void {
    this.#body.end();
    this.#end(undefined);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(error);
  }

  #abort(error: Error): void {
    this.#fail(error);
    this.#controller?.abort(error);
  }

  #fail(error: Error): void {
    this.#end(error);
    if (this.#status !== undefined) this.#body.fail(error);
    else this.#settle.reject(error);
  }

  #end(error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#firstByteTimer);
    const { signal, onEnd } = this.#context;
    signal.removeEventListener("abort", this.#onAbort);
    onEnd({ status: this.#status, receivedBytes: this.#body.receivedBytes, error });
  }
}

function reasonOf(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return reason instanceof Error ? reason : new Error("cancelled", { cause: reason });
}
