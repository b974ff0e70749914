/** The metrics that docs/alerts.yaml asks about. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";

interface Alerts {
  readonly groups: readonly { readonly name: string; readonly rules: readonly { readonly expr: string }[] }[];
}

export function alertMetrics(group: "member" | "relayer"): string[] {
  const file = new URL("../../../docs/alerts.yaml", import.meta.url);
  const { groups } = parse(readFileSync(file, "utf8")) as Alerts; // CAST: our own file; a test fails when it is not
  const rules = groups.find(({ name }) => name === `clockless-${group}`)?.rules ?? [];
  return [...new Set(rules.flatMap(({ expr }) => expr.match(/clockless_\w+/g) ?? []))];
}
