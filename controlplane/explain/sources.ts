// Which document a setting of a Service's policy was taken from; the same order as in model/defaults.

import type { RuleNode } from '../graph/graph.ts';
import type { TrafficSettings } from '../model/kinds/traffic-policy.ts';
import type { Source } from './explanation.ts';

/** The documents that can say something about one Service. */
export interface PolicyDocuments {
  readonly policy: { readonly name: string; readonly spec: TrafficSettings } | null;
  /** Names of the policies of a route and of its rule. */
  readonly ofRule: (rule: RuleNode) => readonly string[];
  readonly mesh: { readonly name: string; readonly defaults: TrafficSettings | undefined } | null;
}

type SectionName = keyof TrafficSettings;

/** Of the first of `fields` that a document has; `default` = none has any. */
export function sourceOf<S extends SectionName>(
  documents: PolicyDocuments,
  section: S,
  ...fields: readonly (keyof NonNullable<TrafficSettings[S]>)[]
): Source {
  const { policy, mesh } = documents;
  const hasAny = (settings: TrafficSettings | undefined): boolean => {
    // By name: an indexed union of sections has no common keys.
    const given = settings?.[section] as Readonly<Record<string, unknown>> | undefined;
    return given !== undefined && fields.some((field) => given[String(field)] !== undefined);
  };
  if (policy !== null && hasAny(policy.spec)) return `TrafficPolicy ${policy.name}`;
  if (mesh !== null && hasAny(mesh.defaults)) return `MeshConfig ${mesh.name}`;
  return 'default';
}
