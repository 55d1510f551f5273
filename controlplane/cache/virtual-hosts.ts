// VHDS names a virtual host by the host that a request came for: `<route configuration>/<host>`. This finds the
// one whose domains match, in Envoy's order: exact, longest suffix, longest prefix, `*`.

import type { SnapshotResource } from './resource.ts';

/** RFC 1035: no host is longer; a longer name would only cost. */
const MAX_HOST_LENGTH = 255;

/** `byDomain`: `<route configuration>/<domain>` of every virtual host. */
export function virtualHostFor(
  byDomain: ReadonlyMap<string, SnapshotResource>,
  name: string,
): SnapshotResource | undefined {
  // From the right: a table's name may hold slashes, a host cannot.
  const slash = name.lastIndexOf('/');
  if (slash < 0) return undefined;
  const table = name.slice(0, slash + 1);
  const host = name.slice(slash + 1).toLowerCase();
  if (host === '' || host.length > MAX_HOST_LENGTH) return undefined;
  const found = (domain: string): SnapshotResource | undefined => byDomain.get(table + domain);
  const exact = found(host);
  if (exact !== undefined) return exact;
  for (let at = 1; at < host.length; at++) {
    const suffix = found(`*${host.slice(at)}`);
    if (suffix !== undefined) return suffix;
  }
  for (let at = host.length - 1; at > 0; at--) {
    const prefix = found(`${host.slice(0, at)}*`);
    if (prefix !== undefined) return prefix;
  }
  return found('*');
}
