// Stands in for @grpc/proto-loader in bundles: grpc-js loads it for features that the driver does not use.
module.exports = {};
