// The connection manager's header rules, main-thread half: who the client is said to be, request ids, and
// what the proxy calls itself. Called by the connection manager's config.ts.

import { byteString } from '../../common/byte-string.ts';
import type { HttpConnectionManagerProto } from '../../proto/gen/types.ts';
import { wrapperOr } from '../../proto/well-known.ts';
import type { HcmConfig, OriginalIpDetectionData, UuidRequestIdData } from '../api/config/hcm.ts';
import { compileCidr } from './address.ts';
import { type Compilation, mapItems, namedAny } from './compilation.ts';

type Identity = Pick<
  HcmConfig,
  | 'serverName'
  | 'serverHeaderTransformation'
  | 'via'
  | 'generateRequestId'
  | 'preserveExternalRequestId'
  | 'alwaysSetRequestIdInResponse'
  | 'packTraceReason'
  | 'useRemoteAddress'
  | 'skipXffAppend'
  | 'xffNumTrustedHops'
  | 'appendXForwardedPort'
  | 'originalIpDetection'
  | 'schemeToOverwrite'
  | 'schemeMatchesUpstream'
  | 'internalCidrs'
  | 'internalUnixSockets'
  | 'forwardClientCertDetails'
  | 'setCurrentClientCertDetails'
>;

export function compileIdentity(
  config: HttpConnectionManagerProto,
  compilation: Compilation,
): Identity {
  const internal = config.internal_address_config;
  const details = config.set_current_client_cert_details;
  return {
    serverName: byteString(config.server_name ?? 'envoy'),
    serverHeaderTransformation: config.server_header_transformation ?? 'OVERWRITE',
    via: byteString(config.via ?? ''),
    generateRequestId: wrapperOr(config.generate_request_id, true),
    preserveExternalRequestId: config.preserve_external_request_id ?? false,
    alwaysSetRequestIdInResponse: config.always_set_request_id_in_response ?? false,
    packTraceReason: compileRequestId(config, compilation),
    useRemoteAddress: wrapperOr(config.use_remote_address, false),
    skipXffAppend: config.skip_xff_append ?? false,
    xffNumTrustedHops: config.xff_num_trusted_hops ?? 0,
    appendXForwardedPort: config.append_x_forwarded_port ?? false,
    originalIpDetection: compileDetection(config, compilation),
    schemeToOverwrite: compileScheme(config, compilation),
    schemeMatchesUpstream: config.scheme_header_transformation?.match_upstream ?? false,
    internalCidrs: mapItems(
      internal?.cidr_ranges,
      'internal_address_config.cidr_ranges',
      (range, at) => compileCidr(range, at, compilation),
    ),
    internalUnixSockets: internal?.unix_sockets ?? false,
    forwardClientCertDetails: config.forward_client_cert_details ?? 'SANITIZE',
    setCurrentClientCertDetails: {
      subject: wrapperOr(details?.subject, false),
      dns: details?.dns ?? false,
      uri: details?.uri ?? false,
      cert: details?.cert ?? false,
      chain: details?.chain ?? false,
      issuer: details?.issuer ?? false,
      format: details?.format ?? 'TEXT',
    },
  };
}

function compileRequestId(config: HttpConnectionManagerProto, compilation: Compilation): boolean {
  const extension = config.request_id_extension;
  if (extension === undefined) return true;
  const named = namedAny({ ...extension, name: 'request_id_extension' });
  const compiled = compilation.extension('request-id', named, 'request_id_extension');
  // The only extension of this category.
  return compiled === null || (compiled.data as UuidRequestIdData).packTraceReason;
}

function compileDetection(
  config: HttpConnectionManagerProto,
  compilation: Compilation,
): readonly OriginalIpDetectionData[] {
  const at = 'original_ip_detection_extensions';
  const extensions = config.original_ip_detection_extensions ?? [];
  if (extensions.length > 0) {
    if (wrapperOr(config.use_remote_address, false)) {
      compilation.fail(at, 'cannot be mixed with use_remote_address');
    }
    if ((config.xff_num_trusted_hops ?? 0) > 0) {
      compilation.fail(at, 'cannot be mixed with xff_num_trusted_hops');
    }
  }
  const compiled: OriginalIpDetectionData[] = [];
  mapItems(extensions, at, (extension, path) => {
    const data = compilation.extension('original-ip-detection', namedAny(extension), path);
    // Every extension of this category compiles to it.
    if (data !== null) compiled.push(data.data as OriginalIpDetectionData);
  });
  return compiled;
}

function compileScheme(
  config: HttpConnectionManagerProto,
  compilation: Compilation,
): HcmConfig['schemeToOverwrite'] {
  const scheme = config.scheme_header_transformation?.scheme_to_overwrite ?? '';
  if (scheme === '' || scheme === 'http' || scheme === 'https') return scheme;
  compilation.fail(
    'scheme_header_transformation.scheme_to_overwrite',
    "must be one of 'http', 'https'",
  );
  return '';
}
