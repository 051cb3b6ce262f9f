// Preloaded into the driver's processes by the soak (node --expose-gc --import): collects all garbage when it is told to, so
// that what is measured then is what the process holds on to.
process.on('SIGPWR', () => globalThis.gc());
