// extensions.transport_sockets.tls.v3.Secret -> SecretData, for SDS and static_resources.secrets.

import { joinPath } from '../../common/result.ts';
import type { SecretProto } from '../../proto/gen/types.ts';
import type { SecretData } from '../api/config/tls.ts';
import type { Compilation } from '../compile/compilation.ts';
import { compileTicketKeys } from '../compile/tls.ts';
import { compileTlsCertificate } from '../compile/tls-certificate.ts';
import { compileValidationContext } from '../compile/validation-context.ts';

export function compileSecret(
  secret: SecretProto,
  path: string,
  compilation: Compilation,
): SecretData {
  const name = secret.name ?? '';
  if (name === '') compilation.fail(joinPath(path, 'name'), 'must not be empty');
  if (secret.tls_certificate !== undefined) {
    const at = joinPath(path, 'tls_certificate');
    const certificate = compileTlsCertificate(secret.tls_certificate, at, compilation);
    return { kind: 'tls_certificate', name, certificate };
  }
  if (secret.session_ticket_keys !== undefined) {
    const at = joinPath(path, 'session_ticket_keys');
    const keys = compileTicketKeys(secret.session_ticket_keys, at, compilation);
    return { kind: 'session_ticket_keys', name, keys };
  }
  if (secret.validation_context === undefined) {
    // Any other kind was refused by the support table.
    compilation.fail(
      path,
      'one of tls_certificate, session_ticket_keys, validation_context is required',
    );
  }
  const at = joinPath(path, 'validation_context');
  const validation = compileValidationContext(secret.validation_context ?? {}, at, compilation);
  return { kind: 'validation_context', name, validation };
}
