// Preloaded into every test process and its workers (scripts/test.ts): read slabs that are given back are
// overwritten, so that whoever kept bytes without copying them (network/read-slab.ts) is found out (JS-11).

(globalThis as { remoraPoisonsSlabs?: boolean }).remoraPoisonsSlabs = true;
