// The names of the resources that we send. Stable, so that an unchanged thing keeps its name, its
// connections and its stats; shaped like Istio's, because people read and search for them.
//
//   cluster   outbound|<port>|<version, or nothing>|<service>.<namespace>    also the EDS name
//             inbound|<app port>||<service>.<namespace>
//   listener  inbound, outbound         route   outbound        secret   default, ROOTCA

/** Everything of a service, or one version of it. */
export function outboundCluster(serviceId: string, port: number, version: string | null): string {
  return `outbound|${port}|${version ?? ''}|${serviceId}`;
}

export function inboundCluster(serviceId: string, appPort: number): string {
  return `inbound|${appPort}||${serviceId}`;
}

export const INBOUND_LISTENER = 'inbound';
export const OUTBOUND_LISTENER = 'outbound';
export const OUTBOUND_ROUTES = 'outbound';
/** SDS: the node's own certificate and key. */
export const IDENTITY_SECRET = 'default';
/** SDS: the trusted roots. */
export const ROOTS_SECRET = 'ROOTCA';

/** The host name in SNI; the identity is checked by SPIFFE id, not by it. */
export function serverName(serviceId: string): string {
  return `${serviceId}.svc.cluster.local`;
}

/**
 * Every Host by which a caller in `callerNamespace` may call the service: short (own namespace only),
 * with namespace, and in full; each with and without the port.
 */
export function domainsOf(
  service: { readonly name: string; readonly namespace: string; readonly port: number },
  callerNamespace: string,
): string[] {
  const { name, namespace, port } = service;
  const hosts = [
    ...(namespace === callerNamespace ? [name] : []),
    `${name}.${namespace}`,
    `${name}.${namespace}.svc`,
    `${name}.${namespace}.svc.cluster.local`,
  ];
  return hosts.flatMap((host) => [host, `${host}:${port}`]);
}
