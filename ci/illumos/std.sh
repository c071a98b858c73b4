# shellcheck shell=bash
# build_std: the Rust standard library for the target, built once and kept as an ordinary sysroot.

build_std() {
  local stamp sysroot=$CACHE/sysroot work=$CACHE/std-build lib
  stamp="recipe 3 $("$RUSTC" -vV | tr '\n' ' ')"
  lib=$sysroot/lib/rustlib/$TARGET/lib
  [[ -f $sysroot/stamp && $(<"$sysroot/stamp") == "$stamp" ]] && return 0
  say "building std for $TARGET"
  rm -rf "$sysroot" "$work"
  mkdir -p "$lib" "$work/src"
  cat >"$work/Cargo.toml" <<'E2'
[package]
name = "illumos_std_seed"
version = "0.0.0"
edition = "2024"
[workspace]
[profile.release]
debug = 0
E2
  : >"$work/src/lib.rs"
  # panic_abort is built for the other panic strategy, or no profile with panic = "abort" could use this std; bitcode
  # is what profiles with LTO need.
  cat >"$work/rustc-for-std" <<E2
#!/bin/sh
case " \$* " in *" --crate-name panic_abort "*) set -- "\$@" -Cpanic=abort ;; esac
case " \$* " in *" --target $TARGET "*) set -- "\$@" -Cembed-bitcode=yes ;; esac
exec "\$@"
E2
  chmod +x "$work/rustc-for-std"
  (cd "$work" && RUSTC_WRAPPER=$work/rustc-for-std RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$work/target \
    "$CARGO" build -q --release -Zbuild-std=std,test,panic_abort --target "$TARGET")
  cp "$work/target/$TARGET/release/deps/"*.rlib "$lib/"
  rm -f "$lib"/libillumos_std_seed-*.rlib
  ln -sfn "$("$RUSTC" --print sysroot)/lib/rustlib/x86_64-unknown-linux-gnu" \
    "$sysroot/lib/rustlib/x86_64-unknown-linux-gnu"
  rm -rf "$work"
  printf '%s' "$stamp" >"$sysroot/stamp"
}
