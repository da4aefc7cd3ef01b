use toolward_vault::*;
pub fn print(signed: &Signed) {
    println!("{signed:?}");
}
