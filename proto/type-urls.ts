// Type URLs: what stands in an Any before and in its type name. The five xDS ones are in
// dataplane/api/resource-compiler.ts.

/** `type.googleapis.com/<fullName>`. */
export function typeUrl(fullName: string): string {
  return `type.googleapis.com/${fullName}`;
}

/** What follows the last '/': the full message name. Any prefix is accepted, as in Envoy. */
export function typeNameOf(url: string): string {
  return url.slice(url.lastIndexOf('/') + 1);
}
