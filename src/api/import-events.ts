import type { ImportEvent, OnEvent } from "../progress.ts";

/** Hands events on; what a listener throws does not stop the import, it is thrown after it. */
export function carefulEmitter(listener: OnEvent): {
  readonly emit: OnEvent;
  readonly throwListenerError: () => void;
} {
  // The first is enough: a listener that always throws does so ten times a second and layer.
  let thrown: { readonly error: unknown } | undefined;
  return {
    emit: (event) => {
      try {
        listener(event);
      } catch (error) {
        thrown ??= { error };
      }
    },
    throwListenerError: () => {
      if (thrown !== undefined) throw thrown.error;
    },
  };
}

/** Events as an async iterable: the producer never waits, the queue is drained by whoever iterates. */
export interface EventQueue {
  push(event: ImportEvent): void;
  end(): void;
  [Symbol.asyncIterator](): AsyncGenerator<ImportEvent, void, undefined>;
}

export function createEventQueue(): EventQueue {
  const events: ImportEvent[] = [];
  let ended = false;
  let wake: (() => void) | undefined;

  function notify(): void {
    wake?.();
    wake = undefined;
  }

  return {
    push: (event) => {
      events.push(event);
      notify();
    },
    end: () => {
      ended = true;
      notify();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (events.length > 0) yield* events.splice(0);
        if (ended) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
