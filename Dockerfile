# One image for every verb: `remora controlplane`, `remora proxy`, and the example services.
# Stage 1 installs, builds and drops the development packages; stage 2 holds only what runs.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Optional packages stay for the build: the compiler is one. The pinned runtime is dropped below.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN node scripts/build.ts && npm prune --omit=dev --omit=optional --no-audit --no-fund

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/bin bin
COPY --from=build /app/dist dist
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/examples examples
# Any numeric user will do: nothing is written outside what compose mounts.
USER 1000:1000
ENTRYPOINT ["node", "/app/bin/remora.js"]
