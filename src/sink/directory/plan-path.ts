/** The directory of one plan's bodies. @param bodiesPath of the sink */
export function planPath(bodiesPath: string, plan: number): string {
  return `${bodiesPath}/${plan}`;
}
