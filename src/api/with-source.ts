import type { OnEvent } from "../progress.ts";
import type { ImageSource, OpenSourceOptions } from "../source/image-source.ts";
import { openImageSource } from "../source/open-image-source.ts";

/** Opens the source of an image, runs the action, closes the source. Its retries become events. */
export async function withSource<T>(
  reference: string,
  {
    settings,
    emit,
  }: {
    readonly settings: { readonly source: Omit<OpenSourceOptions, "onRetry"> };
    readonly emit: OnEvent;
  },
  action: (source: ImageSource) => Promise<T>,
): Promise<T> {
  const source = await openImageSource(reference, {
    ...settings.source,
    onRetry: (retry) => emit({ type: "retry", ...retry }),
    onRequest: (request) => emit({ type: "request", ...request }),
    onWarning: (warning) => emit({ type: "warning", ...warning }),
  });
  try {
    return await action(source);
  } finally {
    await source.close();
  }
}
