# The image of the gateway. Bases are arguments, so that it can be built where only a registry of your own is reachable, and pinned by digest:
#
#   docker build --build-arg VERSION=0.1.0 --build-arg REVISION=$(git rev-parse HEAD) --build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) .
ARG BUILD_IMAGE=docker.io/library/node:24-bookworm-slim
ARG OPA_IMAGE=docker.io/openpolicyagent/opa:1.22.2-static
ARG RUN_IMAGE=gcr.io/distroless/nodejs24-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /build
# What a change of the sources does not change comes first. Install scripts of packages are not needed to build or to run.
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY nest-cli.json tsconfig.json tsconfig.build.json .swcrc ./
COPY scripts/bundle.mjs scripts/
COPY src src
RUN node node_modules/@nestjs/cli/bin/nest.js build && node scripts/bundle.mjs
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
# All that runs, in one folder.
RUN mkdir -p /out/charts/kubernaut-gateway/files && mv package.json dist node_modules /out/
COPY policies /out/policies
# The API server of standalone mode serves them.
COPY charts/kubernaut-gateway/crds /out/charts/kubernaut-gateway/crds
COPY charts/kubernaut-gateway/files/rbac /out/charts/kubernaut-gateway/files/rbac
# The same sources make the same bytes: files are as old as the commit.
ARG SOURCE_DATE_EPOCH=0
RUN find /out -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +

# What V8 compiles of the program is kept for every start. The Node.js that runs it must have compiled it; of all files this one alone is not the
# same in each build.
FROM ${RUN_IMAGE} AS compiled
COPY --from=build /out /app
COPY scripts/code-cache.mjs /app/scripts/
WORKDIR /app
ENV PATH=/nodejs/bin:/usr/local/bin:/usr/bin:/bin
USER 0:0
RUN ["node", "scripts/code-cache.mjs"]

FROM ${OPA_IMAGE} AS opa

FROM ${RUN_IMAGE}
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="kubernaut-gateway" \
      org.opencontainers.image.description="Turns monitoring signals into RemediationRequests" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Compiles .rego policies when the gateway starts and when they change.
COPY --from=opa /opa /usr/local/bin/opa
COPY --from=build /out /app
COPY --from=compiled /app/dist/bundle.cache /app/dist/
WORKDIR /app
# Distroless has node in /nodejs. What lives long in its heap may take a share of the container's memory limit: buffers, code and opa need the
# rest. A young generation of three times 16 MiB holds what the webhooks under way need: with half of it a new alert takes a tenth more CPU,
# for it is copied more often. Of the allocator of buffers: two arenas are enough, one for each thread would keep some 30 MiB; and its
# threshold for what is given back when it is freed stays what it is, else it grows with the program's text and keeps some 15 MiB.
ENV PATH=/nodejs/bin:/usr/local/bin:/usr/bin:/bin \
    NODE_ENV=production \
    MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=131072 \
    NODE_OPTIONS="--max-old-space-size-percentage=55 --max-semi-space-size=16"
USER 65532:65532
EXPOSE 8080 9090
ENTRYPOINT ["node", "dist/main.js"]
