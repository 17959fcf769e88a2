import { expect, test } from "vitest";
import { barChart } from "../../benchmarks/report/bar-chart.ts";
import { resultPath } from "../../benchmarks/report/result-files.ts";
import { fitLine, growthExponent, median } from "../../benchmarks/report/statistics.ts";
import { spread, textTable } from "../../benchmarks/report/text-table.ts";

test("a median is the middle one, or between the two in the middle", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(median([])).toBeNaN();
});

test("the exponent of a growth and the slope of a line come out as they were put in", () => {
  expect(growthExponent([10, 100, 1000].map((x) => [x, 7 * x ** 1.5] as const))).toBeCloseTo(
    1.5,
    9,
  );
  const { slope, intercept } = fitLine([1, 2, 5].map((x) => [x, 3 * x - 4] as const));
  expect(slope).toBeCloseTo(3, 9);
  expect(intercept).toBeCloseTo(-4, 9);
});

test("columns are as wide as their widest cell", () => {
  expect(textTable(["a", "bb"], [["ccc", "d"], ["e"]])).toBe("a    bb\nccc  d\ne\n");
  expect(spread([2, 1, 3], 1)).toBe("1.0–3.0");
});

test("results are named after the image", () => {
  expect(resultPath("127.0.0.1:5000/lab/app:2", ".json")).toMatch(/\/results\/lab-app-2\.json$/);
});

test("a chart has a bar for each value, as long as the value is large, and names as text", () => {
  const bars = [
    { label: "ours <&>", value: 1, low: 1, high: 1, isOurs: true },
    { label: "theirs", value: 4, low: 3, high: 4, isOurs: false },
  ];
  const svg = barChart("title", "note", [{ title: "s", digits: 1, bars }]);
  const widths = [...svg.matchAll(/<rect class="(ours|peer)"[^>]* width="([\d.]+)"/g)];
  expect(widths.map(([, name]) => name)).toEqual(["ours", "peer"]);
  expect(Number(widths[1]?.[2]) / Number(widths[0]?.[2])).toBeCloseTo(4, 1);
  expect(svg).toContain("ours &lt;&amp;&gt;");
  expect(svg).toContain("prefers-color-scheme:dark");
});
