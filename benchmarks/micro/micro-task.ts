/** One function, called over and over. */
export interface MicroTask {
  readonly name: string;
  /** What one call gets through. */
  readonly amount: number;
  readonly unit: "bytes" | "entries";
  readonly run: () => void;
}
