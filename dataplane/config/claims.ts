// What no two resources of a source may have both, for the NACK of the one that comes later: keys of scopes, domains of
// virtual hosts of one route configuration. Called by resource-compiler; xds/ compares.

import type { RouteConfigData, VirtualHostData, VirtualHostResource } from '../api/config/route.ts';
import type { ScopeResource } from '../api/config/scoped-routes.ts';
import type { Claim } from '../api/resource-compiler.ts';

export function scopeClaim({ scope }: ScopeResource): Claim {
  const key = `scope ${JSON.stringify(scope.key)}`;
  return { key, problem: 'scope key conflict found, first scope is' };
}

/** `owner`: VhdsData.id. */
export function hostClaims(
  owner: VirtualHostResource['owner'],
  { domains }: VirtualHostData,
): readonly Claim[] {
  return domains.map((domain) => ({
    key: `domain ${JSON.stringify([owner, domain])}`,
    problem: `only unique values for domains are permitted, duplicate entry of domain '${domain}', first in`,
  }));
}

/** Of its own virtual hosts, with which those of VHDS have to get along. */
export function routeClaims({ vhds, virtualHosts }: RouteConfigData): readonly Claim[] {
  return vhds === null ? [] : virtualHosts.flatMap((host) => hostClaims(vhds.id, host));
}
