// A cluster (or google_grpc target) as the end of a gRPC channel. HTTP/2 options are at home here.

import { joinPath } from '../../common/result.ts';
import type { ClusterProto, GrpcServiceGoogleGrpcProto } from '../../proto/gen/types.ts';
import { durationMs, durationMsOr } from '../../proto/well-known.ts';
import type { GrpcTarget } from '../api/config/bootstrap.ts';
import { noValidation, type UpstreamTlsConfig } from '../api/config/tls.ts';
import { formatAddress } from '../api/connection.ts';
import type { Compilation } from '../compile/compilation.ts';
import { readText } from '../compile/data-source.ts';
import { compileUpstreamSocket } from './cluster.ts';
import { clusterTypeOf } from './cluster-type.ts';
import { compileLoadAssignment } from './endpoint.ts';
import { upstreamHttpOptions } from './upstream-http.ts';

const DEFAULT_CONNECT_TIMEOUT_MS = 5_000;

export function compileGrpcCluster(
  cluster: ClusterProto,
  path: string,
  compilation: Compilation,
): GrpcTarget {
  const { tls, proxyProtocol } = compileUpstreamSocket(cluster, path, compilation);
  if (proxyProtocol !== null) {
    compilation.fail(joinPath(path, 'transport_socket'), 'not supported yet for a gRPC service');
  }
  if (tls !== null) refuseSds(tls, joinPath(path, 'transport_socket'), compilation);
  const type = clusterTypeOf(cluster);
  const hasNames = type === 'STRICT_DNS' || type === 'LOGICAL_DNS';
  if (!hasNames && type !== 'STATIC') {
    compilation.fail(joinPath(path, 'type'), `not supported yet (${type} for a gRPC service)`);
  }
  if (cluster.health_checks !== undefined) {
    compilation.fail(joinPath(path, 'health_checks'), 'not supported yet for a gRPC service');
  }
  const assignmentPath = joinPath(path, 'load_assignment');
  const assignment = compileLoadAssignment(
    cluster.load_assignment ?? {},
    assignmentPath,
    hasNames,
    compilation,
  );
  const addresses = assignment.localities.flatMap(({ hosts }) =>
    hosts.map(({ address, port }) => formatAddress({ ip: address, port })),
  );
  if (addresses.length === 0) compilation.fail(assignmentPath, 'must have at least one endpoint');
  const keepalive = upstreamHttpOptions(cluster, path, compilation).http2?.connection_keepalive;
  return {
    clusterName: cluster.name ?? '',
    addresses,
    authority: '',
    connectTimeoutMs: durationMsOr(cluster.connect_timeout, DEFAULT_CONNECT_TIMEOUT_MS),
    tls,
    keepalive:
      keepalive?.interval === undefined
        ? null
        : {
            intervalMs: durationMs(keepalive.interval),
            timeoutMs: durationMsOr(keepalive.timeout, 20_000),
          },
  };
}

/** The channel must stand before any secret can come over it. */
function refuseSds(tls: UpstreamTlsConfig, path: string, compilation: Compilation): void {
  const usesSds =
    tls.validation.sdsName !== null || tls.certificates.some(({ kind }) => kind === 'sds');
  if (usesSds) compilation.fail(path, 'not supported yet (SDS for a gRPC service)');
}

/** google_grpc without credentials is plaintext; call credentials and plugins were refused. */
export function compileGoogleGrpc(
  grpc: GrpcServiceGoogleGrpcProto,
  path: string,
  compilation: Compilation,
): GrpcTarget {
  const target = grpc.target_uri ?? '';
  const address = target.replace(/^(dns|ipv4|ipv6):(\/\/\/)?/, '');
  if (address === '' || address.includes('/') || !/:\d+$/.test(address)) {
    compilation.fail(
      `${path}.target_uri`,
      `must be host:port or dns:///host:port, not '${target}'`,
    );
  }
  return {
    clusterName: target,
    addresses: [address],
    authority: '',
    connectTimeoutMs: DEFAULT_CONNECT_TIMEOUT_MS,
    tls: compileSslCredentials(grpc, `${path}.channel_credentials.ssl_credentials`, compilation),
    keepalive: null,
  };
}

function compileSslCredentials(
  grpc: GrpcServiceGoogleGrpcProto,
  path: string,
  compilation: Compilation,
): UpstreamTlsConfig | null {
  const credentials = grpc.channel_credentials?.ssl_credentials;
  if (credentials === undefined) return null;
  const text = (field: 'root_certs' | 'private_key' | 'cert_chain'): string =>
    readText(credentials[field], `${path}.${field}`, compilation);
  const certificateChainPem = text('cert_chain');
  const privateKeyPem = text('private_key');
  const certificate = {
    certificateChainPem,
    privateKeyPem,
    password: '',
    ocspStaple: '',
    ocspExpiresMs: Number.MAX_SAFE_INTEGER,
    source: '<inline>',
  };
  return {
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    cipherSuites: [],
    ecdhCurves: [],
    signatureAlgorithms: [],
    certificates: certificateChainPem === '' ? [] : [{ kind: 'inline', certificate }],
    validation: {
      base: { ...noValidation, trustedCaPem: text('root_certs') },
      sdsName: null,
    },
    alpnProtocols: ['h2'],
    keyLog: null,
    sni: '',
    autoHostSni: false,
    autoSniSanValidation: false,
    maxSessionKeys: 0,
    enforceRsaKeyUsage: false,
  };
}
