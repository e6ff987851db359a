# The server, with its client for health checks: one image for the CPU, one for NVIDIA GPUs.
#   docker build -t transept .
#   docker run --rm -p 50051:50051 transept                       serves the demo model
#   docker run --rm -p 50051:50051 -v /my/t5:/models/t5:ro transept \
#     --model-dir /models/t5                                      serves one's own
#   docker build -t transept:cuda --target cuda .
#   docker run --rm --gpus all -p 50051:50051 -v /my/t5:/models/t5:ro transept:cuda \
#     --model-dir /models/t5
# It listens on port 50051, and the health check asks there: map another port outside, not inside.

FROM debian:12 AS source
WORKDIR /src
COPY tools/setup tools/packages.txt tools/
RUN tools/setup && rm -rf /var/lib/apt/lists/*

FROM source AS build
COPY . .
RUN cmake --preset release -DTRANSEPT_TESTS=OFF \
 && cmake --build --preset release --target transept-server transept \
 && cmake --install build/release --prefix /install --strip

FROM source AS build-cuda
COPY tools/setup-cuda tools/packages-cuda.txt tools/
RUN tools/setup-cuda && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake --preset cuda-release -DTRANSEPT_TESTS=OFF \
 && cmake --build --preset cuda-release --target transept-server transept \
 && cmake --install build/cuda-release --prefix /install --strip \
 && mkdir -p /install/lib \
 && cp -L build/cuda-toolkit/lib/libcublasLt.so.13 /install/lib/

FROM debian:12-slim AS runtime
RUN apt-get update \
 && apt-get install --yes --no-install-recommends \
      libabsl20220623 libgrpc++1.51 libhwy1 libicu72 libprotobuf32 libspdlog1.10 libyaml-cpp0.7 \
      tini \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --shell /usr/sbin/nologin transept
COPY models/itn-en-small /models/itn-en-small

USER 10001:10001
EXPOSE 50051
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s \
  CMD ["transept", "health", "--service", "ready", "--timeout", "4"]
ENTRYPOINT ["tini", "--", "transept-server"]
CMD ["--model-dir", "/models/itn-en-small", "--listen", "0.0.0.0:50051"]

# The container runtime brings the driver; cuBLAS lies in the image, the CUDA runtime in the program.
FROM runtime AS cuda
COPY --from=build-cuda /install/ /usr/local/
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
ENTRYPOINT ["tini", "--", "transept-server", "--device", "cuda"]
# An entry point of its own resets what it is given.
CMD ["--model-dir", "/models/itn-en-small", "--listen", "0.0.0.0:50051"]

# Last, so that it is what `docker build` makes unless told otherwise.
FROM runtime AS cpu
COPY --from=build /install/ /usr/local/
