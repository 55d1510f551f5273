// Compiled data is shared by everything in the main thread: nobody may change it.

/** Freezes a tree of plain data in place and returns it. Bytes cannot be frozen and are left alone. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Object.isFrozen(value) || value instanceof Uint8Array) return value;
  Object.freeze(value);
  for (const member of Object.values(value)) deepFreeze(member);
  return value;
}
