export interface Bar {
  readonly label: string;
  readonly value: number;
  /** The least and the most of the runs. */
  readonly low: number;
  readonly high: number;
  readonly isOurs: boolean;
}

export interface Panel {
  /** With its unit. */
  readonly title: string;
  /** Of the numbers beside the bars. */
  readonly digits: number;
  readonly bars: readonly Bar[];
}

const COLUMNS = 2;
const PANEL_WIDTH = 560;
const LABEL_WIDTH = 230;
const VALUE_WIDTH = 60;
const BAR_WIDTH = PANEL_WIDTH - LABEL_WIDTH - VALUE_WIDTH - 20;
const ROW_HEIGHT = 22;
const HEAD_HEIGHT = 40;
const TITLE_HEIGHT = 64;

/** Ink and bars for light and for dark pages; the background stays the page's. */
const STYLE = `text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-size:17px;font-weight:600}.panel{font-weight:600}
.note{fill:#57606a}.value{font-variant-numeric:tabular-nums}.ours{fill:#0969da}.peer{fill:#8c959f}.spread{stroke:#24292f;stroke-width:1.5}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#9198a1}.ours{fill:#4493f8}.peer{fill:#6e7681}.spread{stroke:#e6edf3}}`;

/** Horizontal bars of medians, panels two abreast; a thin line is the spread from the least to the most. */
export function barChart(title: string, note: string, panels: readonly Panel[]): string {
  const rows: Panel[][] = [];
  for (let at = 0; at < panels.length; at += COLUMNS) rows.push(panels.slice(at, at + COLUMNS));
  let y = TITLE_HEIGHT;
  const parts: string[] = [];
  for (const row of rows) {
    for (const [column, panel] of row.entries()) {
      parts.push(drawPanel(panel, column * PANEL_WIDTH + 10, y));
    }
    y += HEAD_HEIGHT + Math.max(...row.map(({ bars }) => bars.length)) * ROW_HEIGHT;
  }
  const width = Math.min(COLUMNS, panels.length) * PANEL_WIDTH + 10;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y + 10}" width="${width}" role="img" aria-label="${escaped(title)}">
<style>${STYLE}</style>
<text class="title" x="10" y="26">${escaped(title)}</text>
<text class="note" x="10" y="46">${escaped(note)}</text>
${parts.join("\n")}
</svg>
`;
}

function drawPanel({ title, digits, bars }: Panel, x: number, y: number): string {
  const most = Math.max(...bars.map(({ high }) => high), Number.MIN_VALUE);
  const scaled = (value: number): number => round((value / most) * BAR_WIDTH);
  const drawn = bars.map(({ label, value, low, high, isOurs }, row) => {
    const top = y + 26 + row * ROW_HEIGHT;
    const middle = top + 8;
    const from = x + LABEL_WIDTH;
    const number = value.toFixed(digits);
    return `<text x="${from - 8}" y="${middle + 4}" text-anchor="end">${escaped(label)}</text>
<rect class="${isOurs ? "ours" : "peer"}" x="${from}" y="${top}" width="${Math.max(1, scaled(value))}" height="16" rx="2"><title>${escaped(`${label}: ${number} (${low.toFixed(digits)}–${high.toFixed(digits)})`)}</title></rect>
<line class="spread" x1="${from + scaled(low)}" x2="${from + scaled(high)}" y1="${middle}" y2="${middle}"/>
<text class="value" x="${from + scaled(high) + 6}" y="${middle + 4}">${number}</text>`;
  });
  return `<text class="panel" x="${x}" y="${y + 14}">${escaped(title)}</text>\n${drawn.join("\n")}`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
