// The Location of a redirect that is followed inside: an absolute URL, read as strictly as Envoy reads it. What is
// not understood is the client's to follow.

/** Where a redirect leads. */
export interface RedirectTarget {
  readonly scheme: string;
  /** With its port, if one is given. */
  readonly authority: string;
  /** With its query, without its fragment; at least `/`. */
  readonly path: string;
}

// No user info goes on; hosts are names without `_`, or IPv6 literals; no blanks and no bytes above 7 bits.
const URL =
  /^([a-z]+):\/\/(?:[^@/?#\s]*@)?(\[[\da-f:.]+\]|[a-z\d.-]+)(?::(\d{1,5}))?((?:[/?][!-~]*)?)$/i;
const MAX_PORT = 65_535;

/** Null = it is no absolute URL. */
export function parseLocation(location: string): RedirectTarget | null {
  const match = URL.exec(location);
  if (match === null) return null;
  const [, scheme = '', host = '', port = '', rest = ''] = match;
  if (Number(port) > MAX_PORT) return null;
  const fragment = rest.indexOf('#');
  const path = fragment === -1 ? rest : rest.slice(0, fragment);
  return {
    scheme: scheme.toLowerCase(),
    authority: port === '' ? host : `${host}:${port}`,
    path: path.startsWith('/') ? path : `/${path}`,
  };
}
