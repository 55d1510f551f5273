// envoy.tls.cert_validator.spiffe: several trust domains, each with its own roots. There is no worker half:
// the data goes into ValidationContextData.spiffe and tls/ judges by it.

import { pemOf } from '../../../../common/der.ts';
import type { FieldError, Result } from '../../../../common/result.ts';
import type { SPIFFECertValidatorConfigProto } from '../../../../proto/gen/types.ts';
import type { TrustDomainData } from '../../../api/config/tls.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { parseCertificates } from '../../../compile/certificate.ts';
import { Compilation, mapItems } from '../../../compile/compilation.ts';
import { readFilledText } from '../../../compile/data-source.ts';

/** SPIFFECertValidatorConfig -> TrustDomainData[]. */
export const spiffeValidator: ExtensionConfigFactory<SPIFFECertValidatorConfigProto> = {
  name: 'envoy.tls.cert_validator.spiffe',
  category: 'cert-validator',
  configTypes: ['envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig'],
  compile(
    config: SPIFFECertValidatorConfigProto,
    context: CompileContext,
  ): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    const domains =
      config.trust_bundles === undefined
        ? compileDomains(config, compilation)
        : compileBundles(config, compilation);
    return compilation.result(domains);
  },
};

function compileDomains(
  config: SPIFFECertValidatorConfigProto,
  compilation: Compilation,
): readonly TrustDomainData[] {
  const seen = new Set<string>();
  return mapItems(config.trust_domains, 'trust_domains', (proto, path) => {
    const name = proto.name ?? '';
    if (seen.has(name)) {
      compilation.fail(
        `${path}.name`,
        `Multiple trust bundles are given for one trust domain for ${name}`,
      );
    }
    seen.add(name);
    if (proto.trust_bundle === undefined) compilation.fail(`${path}.trust_bundle`, 'is required');
    const trustBundlePem = readFilledText(proto.trust_bundle, `${path}.trust_bundle`, compilation);
    checkBundle(trustBundlePem, `${path}.trust_bundle`, compilation);
    return { name, trustBundlePem };
  });
}

function checkBundle(pem: string, path: string, compilation: Compilation): void {
  if (pem === '') return; // said already
  const parsed = parseCertificates(pem);
  if (!parsed.ok) compilation.fail(path, parsed.errors);
}

/** The parts of a SPIFFE bundle map that count here: the roots of X.509 SVIDs. */
interface BundleMap {
  readonly trust_domains: Readonly<
    Record<string, { readonly keys: readonly { readonly use?: string; readonly x5c?: string[] }[] }>
  >;
}

function compileBundles(
  config: SPIFFECertValidatorConfigProto,
  compilation: Compilation,
): readonly TrustDomainData[] {
  const path = 'trust_bundles';
  if ((config.trust_domains ?? []).length > 0) {
    compilation.fail('trust_domains', 'must not be set beside trust_bundles');
  }
  const text = readFilledText(config.trust_bundles, path, compilation);
  if (text === '') return [];
  const map = parseBundleMap(text);
  if (map === null) {
    compilation.fail(path, 'not a SPIFFE bundle map');
    return [];
  }
  return Object.entries(map.trust_domains).map(([name, { keys }]) => {
    const roots = keys
      .filter((key) => key.use === 'x509-svid')
      .flatMap((key) => (key.x5c ?? []).slice(0, 1));
    const trustBundlePem = roots
      .map((root) => pemOf(Buffer.from(root, 'base64'), 'CERTIFICATE'))
      .join('');
    const at = `${path}["${name}"]`;
    if (trustBundlePem === '') compilation.fail(at, 'no x509-svid key with a certificate');
    checkBundle(trustBundlePem, at, compilation);
    return { name, trustBundlePem };
  });
}

function parseBundleMap(text: string): BundleMap | null {
  try {
    const map = JSON.parse(text) as BundleMap; // its shape is checked by the use below
    const isMap = Object.values(map.trust_domains).every(({ keys }) =>
      keys.every(({ x5c }) => x5c === undefined || x5c.every((root) => typeof root === 'string')),
    );
    return isMap ? map : null;
  } catch {
    return null; // not JSON, or not of that shape: the caller says so
  }
}
