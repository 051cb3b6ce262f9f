// Stands in for packages that others load for features that the driver does not use: see `alias` in tools/bundle.ts.
module.exports = {};
