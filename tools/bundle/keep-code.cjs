// Ends a bundle that keeps its compiled code (tools/bundle.ts); `code` is all of the bundle, as a function.
//
// Node's own compile cache keeps what is compiled when a file is loaded, and functions are compiled when they are first called: in a
// process that has just started, that is a third of the time. This keeps them too, as of a process that has served, in the same folder.
// V8 refuses code of another version of itself or made under other flags; the name tells that it is of this very bundle, and the sum
// that it is whole. Whatever goes wrong with it, the bundle runs all the same.
(() => {
  const role = process.argv[2] ?? '';
  const folder = process.env.NODE_COMPILE_CACHE;
  const parts = [exports, require, module, __filename, __dirname];
  if (!folder || !/^[a-z][a-z-]*$/.test(role)) return void code(...parts);

  const fs = require('node:fs');
  const path = require('node:path');
  const v8 = require('node:v8');
  const vm = require('node:vm');
  const { crc32 } = require('node:zlib');
  const source = `(${code})`;
  const name = [path.basename(__filename), role, process.arch, process.version, crc32(source).toString(16)];
  const file = path.join(folder, `${name.join('-')}.code`);
  const sumBytes = 4;
  let isSaved = false;

  const cachedData = read();
  const script = new vm.Script(source, {
    filename: __filename,
    cachedData,
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  if (cachedData === undefined || script.cachedDataRejected) {
    // Once it has served for a while, or when it ends before that.
    setTimeout(save, 5_000).unref();
    process.once('exit', (status) => {
      if (status === 0) save();
    });
  }
  script.runInThisContext()(...parts);

  function read() {
    try {
      const bytes = fs.readFileSync(file);
      const data = bytes.subarray(sumBytes);
      return crc32(data) === bytes.readUInt32LE(0) ? data : undefined;
    } catch {
      return undefined;
    }
  }

  function save() {
    if (isSaved) return;
    isSaved = true;
    const data = asAtStart(() => script.createCachedData());
    const sum = Buffer.alloc(sumBytes);
    sum.writeUInt32LE(crc32(data));
    const whole = `${file}.${process.pid}`;
    try {
      fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
      fs.writeFileSync(whole, Buffer.concat([sum, data]), { mode: 0o600 });
      fs.renameSync(whole, file);
    } catch {
      fs.rmSync(whole, { force: true }); // A disk may be full, or not for writing.
    }
  }

  /** The flags that the program sets when it has started are not those that it is loaded under. */
  function asAtStart(make) {
    for (const { flag, usual } of smallHeapFlags) v8.setFlagsFromString(`${flag}=${usual}`);
    try {
      return make();
    } finally {
      for (const { flag, small } of smallHeapFlags) v8.setFlagsFromString(`${flag}=${small}`);
    }
  }
})();
