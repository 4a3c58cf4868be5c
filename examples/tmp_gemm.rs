use advstep_hpc::kernels::{gemm,Level,at_level};
use ndarray::*; use ndarray::linalg::general_mat_mul;
use std::time::Instant;
fn mat(r:usize,c:usize,s:u32)->Array2<f32>{let mut x=s;Array2::from_shape_fn((r,c),|_|{x=x.wrapping_mul(1664525).wrapping_add(1013904223);(x>>8) as f32/16777216.0-0.5})}
fn naive(a:ArrayView2<f32>,b:ArrayView2<f32>)->Array2<f32>{Array2::from_shape_fn((a.nrows(),b.ncols()),|(i,j)|{let mut t=0.0f32;let mut first=true;for k0 in (0..a.ncols()).step_by(gemm::STRETCH){let mut s=0.0f32;for k in k0..(k0+gemm::STRETCH).min(a.ncols()){s=a[[i,k]].mul_add(b[[k,j]],s);}if first{t=s;first=false}else{t+=s}}t})}
fn best(mut f:impl FnMut(),fl:f64)->f64{f();let reps=((2e8/fl)as usize).max(3).min(3000);let mut b=f64::MAX;for _ in 0..7{let s=Instant::now();for _ in 0..reps{f();}b=b.min(s.elapsed().as_secs_f64()/reps as f64);}b}
fn main(){
 advstep_hpc::machine::prepare().unwrap();
 for (n,q,m) in [(1,1,1),(3,5,7),(16,16,16),(17,33,35),(100,513,40),(40,1030,100),(5,100,29),(2,3,1)]{
  let a=mat(n,q,1);let b=mat(q,m,2);let bt=b.t().as_standard_layout().to_owned();
  let want=naive(a.view(),b.view());
  for l in [Level::Avx2,Level::Avx512]{ at_level(l,||{
   let mut o=mat(n,m,3); assert!(gemm::product(a.view(),b.view(),false,o.view_mut())); assert_eq!(o,want,"nn {n} {q} {m} {l:?}");
   let mut o=mat(n,m,3); assert!(gemm::product(a.view(),bt.t(),false,o.view_mut())); assert_eq!(o,want,"nt {n} {q} {m} {l:?}");
  });}
 }
 println!("{:30} {:>8} {:>8} {:>8}  GF/s","shape","BLAS","AVX2","AVX512");
 for (nt,n,q,m) in [(true,2048,2048,2048),(false,2048,2048,2048),(true,100,100,256),(true,100,500,256),(true,200,1000,256),(true,200,1000,1000),(true,100,1000,1000),(true,50,1000,1000),(true,16,1000,1000),(true,8,1000,1000),(true,4,1000,1000),(true,1,1000,1000),(true,100,1024,256),(true,100,1024,100),(true,100,4096,256),(false,100,256,100),(false,100,256,500),(false,100,256,1000),(false,100,256,4096),(false,100,64,4096),(false,16,64,4096),(false,4,64,4096),(false,100,256,100000),(false,4,256,100000),(true,4,1024,256)]{
  let a=mat(n,q,1);let b=if nt{mat(m,q,2)}else{mat(q,m,2)};let mut o=mat(n,m,3);
  let bv=if nt{b.t()}else{b.view()};
  let fl=2.0*(n*q*m)as f64;
  let g=|t:f64|fl/t/1e9;
  let t0=best(||general_mat_mul(1.0,&a,&bv,0.0,&mut o),fl);
  let t1=at_level(Level::Avx2,||best(||{gemm::product(a.view(),bv,false,o.view_mut());},fl));
  let t2=at_level(Level::Avx512,||best(||{gemm::product(a.view(),bv,false,o.view_mut());},fl));
  println!("{:30} {:8.1} {:8.1} {:8.1}",format!("{} {n} x {q} x {m}",if nt{"NT"}else{"NN"}),g(t0),g(t1),g(t2));
 }
}
