const UNITS = ["KiB", "MiB", "GiB", "TiB"] as const;

/** `B` exact; else two decimals under 10, one under 100, none from 100 on: `9.54 MiB`, `10.0 GiB`, `512 KiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${Math.max(0, Math.round(bytes))} B`;
  let value = bytes;
  let unit: string = "B";
  for (const next of UNITS) {
    // Compared as it would be printed: 1023.7 KiB reads `1.00 MiB`, never `1024 KiB`.
    if (Math.round(value) < 1024 && unit !== "B") break;
    value /= 1024;
    unit = next;
  }
  const decimals = Number(value.toFixed(2)) < 10 ? 2 : Number(value.toFixed(1)) < 100 ? 1 : 0;
  return `${value.toFixed(decimals)} ${unit}`;
}

/** `0.4 s`, `12 s`, `3 min 05 s`, `2 h 05 min`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${padded(whole % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${padded(minutes % 60)} min`;
}

/** For what is compared: `0.42 ms`, `12.3 ms`, `412 ms`, `2.31 s`; from a minute on as `formatDuration`. */
export function formatPreciseDuration(ms: number): string {
  if (ms >= 59_995) return formatDuration(ms);
  const [value, unit] = ms < 999.5 ? [Math.max(0, ms), "ms"] : [ms / 1000, "s"];
  const decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${value.toFixed(decimals)} ${unit}`;
}

/** `1,234,567` whatever the locale. */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : plural}`;
}

function padded(value: number): string {
  return String(value).padStart(2, "0");
}
