/** Runs of so many are sorted by insertion before they are merged. */
const RUN = 12;

/**
 * Sorts `order`, numbers that stand for things, in place and stably. Merged by hand: the comparator of a typed array's own
 * `sort` is called through the engine, which takes several times as long.
 * @param scratch at least as long as `order`
 */
export function sortOrder(
  order: Uint32Array,
  scratch: Uint32Array,
  isAfter: (left: number, right: number) => boolean,
): void {
  const { length } = order;
  for (let at = 0; at < length; at += RUN) {
    insertionSort(order, at, Math.min(at + RUN, length), isAfter);
  }
  let from = order;
  let to = scratch.subarray(0, length);
  for (let width = RUN; width < length; width *= 2) {
    for (let at = 0; at < length; at += 2 * width) mergeRuns({ from, to, at, width }, isAfter);
    [from, to] = [to, from];
  }
  if (from !== order) order.set(from);
}

function insertionSort(
  order: Uint32Array,
  start: number,
  end: number,
  isAfter: (left: number, right: number) => boolean,
): void {
  for (let at = start + 1; at < end; at++) {
    const item = order[at]!;
    let place = at;
    for (; place > start && isAfter(order[place - 1]!, item); place--) {
      order[place] = order[place - 1]!;
    }
    order[place] = item;
  }
}

interface Merge {
  readonly from: Uint32Array;
  readonly to: Uint32Array;
  readonly at: number;
  readonly width: number;
}

function mergeRuns(
  { from, to, at, width }: Merge,
  isAfter: (left: number, right: number) => boolean,
): void {
  const middle = Math.min(at + width, from.length);
  const end = Math.min(middle + width, from.length);
  let left = at;
  let right = middle;
  for (let out = at; out < end; out++) {
    const takeLeft = left < middle && (right >= end || !isAfter(from[left]!, from[right]!));
    to[out] = takeLeft ? from[left++]! : from[right++]!;
  }
}
