// Read by both codecs: HTTP/1 frames messages by it, HTTP/2 checks that they are as long as it says.

/** Digits only, at most 2^53 - 1; -2 = invalid. */
export function parseContentLength(value: string): number {
  if (value.length === 0 || value.length > 16) return -2;
  let length = 0;
  for (let i = 0; i < value.length; i++) {
    const digit = value.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -2;
    length = length * 10 + digit;
  }
  return length > Number.MAX_SAFE_INTEGER ? -2 : length;
}
