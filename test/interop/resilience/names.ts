// Placeholders of scenarios.

import type { ScriptedHost } from './scripted-host.ts';

/** `suffixes`: of further clusters. Puts names of clusters and addresses of hosts in the place of `@main@`, `@suffix@` and `@h0@`. */
export function withNames(
  text: string,
  suffixes: readonly string[],
  name: string,
  hosts: readonly ScriptedHost[],
): string {
  let replaced = text.replaceAll('@main@', name);
  for (const suffix of suffixes) replaced = replaced.replaceAll(`@${suffix}@`, `${name}_${suffix}`);
  for (const host of hosts)
    replaced = replaced.replaceAll(`@${host.label}@`, `${host.address}:${host.port}`);
  return replaced;
}
