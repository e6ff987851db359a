# The CPU variant of the server, with its client for health checks.
#   docker build -t transept .
#   docker run --rm -p 50051:50051 transept                       serves the demo model
#   docker run --rm -p 50051:50051 -v /my/t5:/models/t5:ro transept \
#     --model-dir /models/t5                                      serves one's own
# It listens on port 50051, and the health check asks there: map another port outside, not inside.

FROM debian:12 AS build
WORKDIR /src
COPY tools/setup tools/packages.txt tools/
RUN tools/setup && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake --preset release -DTRANSEPT_TESTS=OFF \
 && cmake --build --preset release --target transept-server transept \
 && strip build/release/bin/transept-server build/release/bin/transept

FROM debian:12-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends \
      libabsl20220623 libgrpc++1.51 libhwy1 libicu72 libprotobuf32 libspdlog1.10 libyaml-cpp0.7 \
      tini \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --shell /usr/sbin/nologin transept
COPY --from=build /src/build/release/bin/transept-server /src/build/release/bin/transept \
     /usr/local/bin/
COPY models/itn-en-small /models/itn-en-small

USER 10001:10001
EXPOSE 50051
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["transept", "health", "--service", "ready", "--timeout", "4"]
ENTRYPOINT ["tini", "--", "transept-server"]
CMD ["--model-dir", "/models/itn-en-small", "--listen", "0.0.0.0:50051"]
