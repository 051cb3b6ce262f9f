# The image of famfs-csi: one program, a role for each process. `npm run image` builds it (tools/image), and so does
#   docker buildx build --platform linux/amd64,linux/arm64 .
# Nothing is run in the last stage, so that an image for another architecture needs no emulation, and nothing lies in its
# layers but what was copied: no logs, caches or lists of packages. Why it is like this: docs/adr/0020.
#
# Build contexts: `famfs` with famfs's own programs, laid over / (--build-context famfs=DIR); the node's are used otherwise.
# Secrets: `certificates`, authorities that npm trusts besides the usual ones.
ARG BASE=docker.io/library/debian:trixie-slim
# For its npm alone: which Node builds, and which one is in the image, is said by the lockfile.
ARG NPM=docker.io/library/node:24-trixie-slim

FROM ${BASE} AS base

# Everything that is fetched: modules that build, and what the image has of Debian and npm for its architecture.
FROM --platform=${BUILDPLATFORM} ${NPM} AS dependencies
ARG TARGETARCH
# Where npm packages come from, if not from where npm looks by itself.
ARG NPM_REGISTRY=
ENV NPM_CONFIG_REGISTRY=${NPM_REGISTRY} NPM_CONFIG_UPDATE_NOTIFIER=false
WORKDIR /build
COPY tools/image/fetch-debian.sh tools/image/
RUN sh tools/image/fetch-debian.sh "${TARGETARCH}"
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=secret,id=certificates \
    if [ -s /run/secrets/certificates ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/certificates; fi; \
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --cache=/npm-cache && rm -rf /npm-cache \
    # Nobody checks types or form here.
 && rm -rf node_modules/@biomejs node_modules/@typescript node_modules/node-linux-*/include
COPY tools/image/fetch-native.ts tools/image/native-packages.ts tools/image/lockfile.ts tools/image/
RUN --mount=type=secret,id=certificates \
    if [ -s /run/secrets/certificates ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/certificates; fi; \
    node_modules/.bin/node tools/image/fetch-native.ts --arch "${TARGETARCH}" --to /native

FROM dependencies AS build
ARG TARGETARCH
ARG SOURCE_DATE_EPOCH=0
COPY . .
COPY --from=base /var/lib/dpkg/status /base/status
RUN PATH="/build/node_modules/.bin:${PATH}" node tools/generate.ts \
 && node_modules/.bin/node tools/image/assemble.ts --arch "${TARGETARCH}" --created "${SOURCE_DATE_EPOCH}" --out /out

# Where the famfs programs come from. The build context of this name takes the place of this stage.
FROM scratch AS famfs
COPY tools/image/famfs-of-the-node.txt /opt/famfs-csi/famfs.txt

FROM base
ARG BASE
ARG VERSION=0.0.0
ARG REVISION=
LABEL org.opencontainers.image.title="famfs-csi" \
      org.opencontainers.image.description="Kubernetes CSI driver for famfs, the file system for large, read-mostly data in shared (CXL) memory" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="https://github.com/famfs-csi/famfs-csi" \
      org.opencontainers.image.documentation="https://github.com/famfs-csi/famfs-csi#readme" \
      org.opencontainers.image.vendor="The famfs-csi authors" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${BASE}"
# src/roles/small-heap.ts says why; a test holds it to be what stands there.
ENV MALLOC_ARENA_MAX=1
# In the order in which they change: famfs, Node and the like, our own program.
COPY --from=famfs / /
COPY --from=build /out/runtime/ /
COPY --from=build /out/program/ /
WORKDIR /
# The roles that need root say so in their pods.
USER 65532:65532
ENTRYPOINT ["/usr/bin/tini", "-s", "--", "/usr/local/bin/famfs-csi"]
CMD ["--help"]
